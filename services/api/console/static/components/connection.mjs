// Whether what is shown is live, and since when it is not.
import { now } from "../clock.mjs";
import { clock, duration } from "../format.mjs";
import { html } from "../html.mjs";
import { connection, reconnect } from "../live.mjs";
import { Notice } from "./small.mjs";

const WORDS = { live: "live", closed: "connecting", lost: "not live", crowded: "not live", ended: "not live" };

/** One word in the corner. */
export function Connection() {
  const { state } = connection.value;
  return html`<span class="connection ${state}"><span aria-hidden="true">●</span> ${WORDS[state]}</span>`;
}

/** Words above the page while the connection is lost. */
export function ConnectionNotice() {
  const { state, heard, next } = connection.value;
  if (state !== "lost" && state !== "crowded") return null;
  const left = next ? Math.max(0, Math.round((next - now.value) / 1000)) : 0;
  const why = state === "lost" ? "The connection was lost." : "You have too many windows open on this server.";
  return html`<${Notice} tone="warning">
    ${why} ${left > 0 ? `Trying again in ${duration(left)}.` : "Trying again."} What you see is from ${clock(heard)}.${" "}
    <button type="button" class="plain" onClick=${reconnect}>Try now</button>
  <//>`;
}
