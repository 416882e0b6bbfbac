// What changes where the server refuses an address that somebody gives: who may allow it, and by which setting.
import { Problem } from "./http.mjs";

const HELPS = [
  [/Requests to .+ (is|are) not allowed$/,
    "An administrator can allow it in the settings: this host alone by outbound_local_requests_allowlist, all local addresses by allow_local_requests_from_web_hooks_and_services."],
  [/Only allowed schemes are https$/,
    "Whoever runs Crossdock can allow http by CROSSDOCK_ALLOW_HTTP_REMOTE_IMPORTS, where nobody else listens on the way."],
];

export const addressHelp = (message) => HELPS.find(([refusal]) => refusal.test(message))?.[1] ?? null;

/** Throw a problem again, with what helps. */
export function tellHelp(problem) {
  const help = addressHelp(problem.message);
  throw help ? new Problem(`${problem.message}. ${help}`, problem) : problem;
}
