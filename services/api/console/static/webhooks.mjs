// Words and addresses of webhooks.
import { html } from "./html.mjs";
import { own } from "./place.mjs";

/** Where the webhooks of a project are, or those that are told of all projects. */
export const addressOf = (project) => own(project === "all" ? "/webhooks" : `/projects/${encodeURIComponent(project)}/webhooks`);

/** What events are about: the name of the API, and ours. */
export const KINDS = [
  ["import", "imports"],
  ["export", "exports"],
  ["relation_import", "imports of one part"],
  ["upload", "uploads of exports"],
  ["backup", "backups"],
  ["run", "runs of schedules"], // these only come to webhooks of all projects
];

/** What happens to those. */
export const MOVES = [
  ["queued", "waiting"],
  ["started", "started"],
  ["retried", "tried again"],
  ["finished", "finished"],
  ["failed", "failed"],
  ["canceled", "canceled"],
  ["progress", "progress, every few seconds"],
];

const WORDS = new Map(KINDS);
const USUAL = MOVES.map(([move]) => move).filter((move) => move !== "progress");

/** The API's names of what was chosen: null where nothing was, which is all but progress. */
export function eventsOf(kinds, moves) {
  if (kinds.length + moves.length === 0) return null;
  const chosen = moves.length ? moves : USUAL;
  return (kinds.length ? kinds : ["*"]).flatMap((kind) => chosen.map((move) => `${kind}.${move}`));
}

/** The API's names in words, kinds with the same moves together. */
export function eventsWord(events) {
  if (events.includes("*")) return "everything";
  const movesOf = Map.groupBy(events.map((name) => name.split(".")), ([kind]) => kind);
  const kindsOf = Map.groupBy(movesOf.keys(), (kind) => movesWord(movesOf.get(kind).map(([, move]) => move)));
  return [...kindsOf].map(([moves, kinds]) => (kinds.includes("*") && moves.startsWith("every") ? moves : `${kindsWord(kinds)}: ${moves}`)).join("; ");
}

const kindsWord = (kinds) => (kinds.includes("*") ? "all" : kinds.map((kind) => WORDS.get(kind) ?? kind).join(", "));

function movesWord(moves) {
  if (moves.includes("*")) return "everything";
  if (USUAL.every((move) => moves.includes(move))) return moves.includes("progress") ? "everything" : "everything but progress";
  return MOVES.filter(([move]) => moves.includes(move)).map(([, word]) => word).join(", ");
}

export function HookState({ hook }) {
  if (!hook.enabled) return html`<span class="state failed"><span aria-hidden="true">✕</span> off</span>`;
  if (hook.failing_since) return html`<span class="state left-out"><span aria-hidden="true">!</span> failing</span>`;
  return html`<span class="state finished"><span aria-hidden="true">✓</span> on</span>`;
}

export const DELIVERY_STATES = {
  pending: { sign: "○", word: "waiting", tone: "quiet" },
  delivered: { sign: "✓", word: "taken", tone: "finished" },
  failed: { sign: "✕", word: "not taken", tone: "failed" },
};
