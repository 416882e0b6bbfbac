// Plain words for what the API names by codes.

/** States: sign, word, and the colour's class. A state never has its colour alone. */
export const STATES = {
  queued: { sign: "○", word: "waiting", tone: "quiet" },
  running: { sign: "●", word: "running", tone: "running" },
  finished: { sign: "✓", word: "finished", tone: "finished" },
  failed: { sign: "✕", word: "failed", tone: "failed" },
  canceled: { sign: "–", word: "canceled", tone: "quiet" },
};

/** The code of an attempt that ended because another server needs time: nothing has gone wrong. */
export const PEER_AT_WORK = "peer_at_work";

export const ENDED = new Set(["finished", "failed", "canceled"]);

const KINDS = {
  import: "import",
  export: "export",
  relation_import: "import of one part",
  upload: "upload of an export",
  backup: "backup",
};

/** The kinds that people choose from. */
export const KIND_NAMES = Object.keys(KINDS);

export const kindWord = (kind) => KINDS[kind] ?? kind.replaceAll("_", " ");

/** A kind at the begin of a sentence: "Import". */
export const titleOf = (kind) => kindWord(kind).charAt(0).toUpperCase() + kindWord(kind).slice(1);

/** Who sees a group, by GitLab's words. */
export const VISIBILITIES = { private: "its members", internal: "who is signed in", public: "everybody" };

const PHASES = {
  preparing: "Open",
  fetching: "Fetch",
  reading: "Read",
  writing: "Write",
  committing: "Make visible",
  uploading: "Send",
};
const DOING = {
  preparing: "Opening it",
  fetching: "Fetching it",
  reading: "Reading it",
  writing: "Writing it",
  committing: "Making it visible",
  uploading: "Sending it",
};
const STEPS = {
  import: ["preparing", "reading", "writing", "committing"],
  relation_import: ["preparing", "reading", "writing", "committing"],
  export: ["preparing", "writing", "committing"],
  upload: ["uploading"],
  backup: ["uploading", "committing"],
};

export const phaseWord = (phase) => PHASES[phase] ?? sentence(phase);
export const doing = (phase) => DOING[phase] ?? sentence(phase);

/** The phases of a job in their order: those that were, and those that follow. */
export function stepsOf(kind, phases) {
  const were = phases.map((each) => each.name);
  const usual = STEPS[kind] ?? [];
  const last = usual.indexOf(were.at(-1));
  return [...were, ...usual.slice(last + 1).filter((name) => !were.includes(name))];
}

/** A name of the API as a title: "merge_requests" becomes "Merge requests". */
export function sentence(name) {
  const text = name.replaceAll("_", " ").replace(/\bci\b/, "CI").replace(/\blfs\b/, "LFS");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const AGAIN = "Try again; it may help.";
const SAME = "A retry of the same file cannot help.";
const CODES = {
  archive_truncated: ["The archive ends too early. It was probably cut while it was uploaded.", `Upload it again. ${SAME}`],
  archive_not_gzip: ["This file is not a gzip archive.", `Choose the project export (.tar.gz), and import it. ${SAME}`],
  archive_empty: ["The file is empty.", `Choose the project export (.tar.gz), and import it. ${SAME}`],
  archive_invalid: ["The archive is broken", `Export it again where it comes from. ${SAME}`],
  archive_costs_too_much: ["The archive holds far more work than its size allows.", `Export it again where it comes from. ${SAME}`],
  archive_entry_refused: ["One file in the archive cannot be accepted.", `Remove that file, or export again. ${SAME}`],
  archive_limit_exceeded: ["The archive exceeds a limit of this server", "Ask an administrator to raise the limit."],
  archive_missing: ["The uploaded archive is not kept any more.", "Upload it again."],
  not_a_project: ["This is no archive of a project.", "Choose the file that GitLab made by “Export project”."],
  no_archive: ["This is no archive.", "Choose a file whose name ends in .tar.gz."],
  version_mismatch: ["The archive has another version of the format.", "Export it by a newer GitLab."],
  invalid_bundle: ["The repository in the archive is damaged.", `Export it again where it comes from. ${SAME}`],
  incomplete_bundle: ["The repository in the archive lacks objects.", "Run git fsck where it comes from, then export again."],
  invalid_document: ["A file of the archive cannot be read.", `Export it again where it comes from. ${SAME}`],
  lfs_digest: ["A large file in the archive is damaged.", `Export it again where it comes from. ${SAME}`],
  too_many_failures: ["So many records are unusable that the rest is not worthwhile.", "Look at what was left out, then export again."],
  job_crashed: ["Crossdock had an unexpected error. Its log has the reason.", AGAIN],
  job_stuck: ["The job did not get on for too long.", AGAIN],
  job_overdue: ["The job took longer than its deadline allows.", "Ask an administrator to raise the deadline, or to look at the storage."],
  worker_lost: ["The process that worked on it ended without a word.", "It did so each time: ask an administrator to look at the memory of the workers."],
  project_deleted: ["The project was deleted.", "Nothing is left to do."],
  project_gone: ["The project was deleted while the job worked on it.", "Import it again."],
  project_too_large: ["The project is larger than an export may be.", "Ask an administrator to raise the limit."],
  name_taken: ["Another project has this name or path.", "Choose another path, or replace that project."],
  storage_failed: ["The storage did not work at that moment.", AGAIN],
  remote_unreachable: ["The other server could not be reached.", "Check its address, then try again."],
  remote_timeout: ["The other server did not answer in time.", AGAIN],
  remote_refused: ["The other server refused the request.", "Check the address and the rights of the token."],
  remote_slow: ["The other server was too slow.", AGAIN],
  remote_certificate: ["The other server's certificate does not prove its name.", "Check the address, or install the certificate."],
  remote_too_large: ["The file at the other server is larger than allowed.", "Ask an administrator to raise the limit."],
  url_blocked: ["Requests to this address are not allowed here.", "Ask an administrator to allow it."],
  git_unauthenticated: ["The git server does not accept the token.", "Make a token that may read the repository."],
  github_token_refused: ["GitHub does not know this token. It is wrong, expired or revoked.", "Make a new token at GitHub."],
  github_missing: ["GitHub has no such repository, or hides it from this token.", "Check its name, and the scope of the token."],
  github_scope_missing: ["The token may not read all of the repository.", "Make a token at GitHub with the scope repo."],
};

/** How an archive is broken: one code says it all, and its text tells more. */
function brokenHow(text) {
  if (/the archive is empty/.test(text)) return "archive_empty";
  if (/not a gzip file/.test(text)) return "archive_not_gzip";
  return /cut short|ends too early|truncated/.test(text) ? "archive_truncated" : "archive_invalid";
}

/** What an error means and what to do: {means, act}. Without words of our own, the server's text is the meaning. */
export function explain(code, text) {
  const known = CODES[code === "archive_invalid" ? brokenHow(text ?? "") : code];
  if (!known) return { means: text ?? "It failed.", act: null, detail: null };
  const [means, act] = known;
  return means.endsWith(".") ? { means, act, detail: text } : { means: `${means}${reasonIn(text)}.`, act, detail: null };
}

/** The server's reason, which ends our words where they are no sentence: without what GitLab says before each. */
function reasonIn(text) {
  const reason = (text ?? "").replace(/^Error importing repository {2}into \S+ - /, "").replace(/\.$/, "");
  return reason && `: ${reason}`;
}
