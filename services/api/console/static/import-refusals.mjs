// At which field of the form an import that was refused is told.
import { addressHelp } from "./outbound.mjs";
import { explain } from "./words.mjs";

/** Texts of the API, the most special first, and the fields that they are about. */
const FIELDS = [
  [/^path\b|project namespace path|^name\b/i, "path"],
  [/namespace|allowed to import projects|limit reached/i, "namespace"],
  [/\bpeople\b/i, "people"],
  [/^region/i, "region"],
  [/^bucket/i, "bucket_name"],
  [/^access key/i, "access_key_id"],
  [/^secret access key/i, "secret_access_key"],
  [/^file key|^file not found|^failed to open|^content (length|type)/i, "file_key", "url"],
  [/^file url|^url\b|failed to retrive headers/i, "url", "file_key"],
  [/personal access token|bad credentials/i, "personal_access_token"],
  [/github_hostname|^invalid url/i, "github_hostname", "repository"],
  [/^github\[repository\]|github error/i, "repository"],
  [/^github takes no more requests/i, "personal_access_token"],
];
const ASIDE = /^(Failed to retrive headers|Import failed because of a GitHub error): /;

/** {field, text}: the field is null where none of `names` is what the problem is about. */
export function refusalOf(problem, names) {
  const found = FIELDS.find(([pattern]) => pattern.test(problem.message));
  const field = found?.slice(1).find((name) => names.includes(name)) ?? null;
  const text = field ? inWords(problem) : problem.message;
  return { field, text: [text, addressHelp(problem.message)].filter(Boolean).join(" ") };
}

/** The server's sentence, after what it means where we have words for its code. */
function inWords({ code, message }) {
  const { means, act, detail } = explain(code, message.replace(ASIDE, ""));
  return [means, act, detail && detail !== means && `(${detail})`].filter(Boolean).join(" ");
}
