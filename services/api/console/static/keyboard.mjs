// Commands by single keys, for who wants them. They can be turned off, as screen readers use letters too.
import { letters } from "./preferences.mjs";
import { go } from "./router.mjs";

const PAUSE = 1200;
const PAGES = { j: "/jobs", i: "/import", p: "/projects", s: "/system" };

/** What the keys do, for the list of them. */
export const KEYS = [
  ["/", "Search"],
  ["j, k", "Next row, row before"],
  ["Enter", "Open the row"],
  ["c", "Cancel the job of the row"],
  ["r", "Retry the job of the row"],
  ["g j", "Jobs"],
  ["g i", "Import"],
  ["g p", "Projects"],
  ["g s", "System"],
  ["?", "This list"],
];

let showKeys = () => {};
let prefixed = 0;

/** Listen to keys from now on; `show` opens the list of them. */
export function listenToKeys(show) {
  showKeys = show;
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.matches?.("[data-search]")) event.target.blur();
    if (isTyping(event) || letters.value === "off" || document.querySelector("dialog[open]")) return;
    if (act(event)) event.preventDefault();
  });
}

function isTyping(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return true;
  return event.target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
}

function act({ key }) {
  if (isBehindG()) return openPage(key);
  if (key === "g") return (prefixed = Date.now());
  if (key === "?") return showKeys(), true;
  if (key === "/") return focus("[data-search]");
  if (key === "j" || key === "k") return step(key === "j" ? 1 : -1);
  return { c: press("cancel"), r: press("retry") }[key]?.() ?? false;
}

function isBehindG() {
  const is = Date.now() - prefixed < PAUSE;
  prefixed = 0;
  return is;
}

function openPage(key) {
  if (!PAGES[key]) return false;
  go(PAGES[key]);
  return true;
}

function focus(selector) {
  const found = document.querySelector(selector);
  found?.focus();
  return Boolean(found);
}

// Rows are reached by their first links, so that Enter opens what has the focus.
function step(by) {
  const rows = [...document.querySelectorAll("[data-row]")];
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by))];
  next?.querySelector("a[href]")?.focus();
  next?.scrollIntoView({ block: "nearest" });
  return Boolean(next);
}

const press = (name) => () => {
  const row = document.activeElement?.closest("[data-row]");
  const button = (row ?? document).querySelector(`${row ? "" : "[data-actions] "}button[data-action="${name}"]`);
  button?.click();
  return Boolean(button);
};
