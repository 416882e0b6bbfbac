// Addresses of the console: which page they show, and what is in their query.
import { computed, signal } from "@preact/signals";
import { page } from "./place.mjs";

const ROOT = page("");

const current = signal(here());

/** The path below the console: "/jobs/17". */
export const path = computed(() => current.value.path);

/** The query, as URLSearchParams. Do not change it: `setQuery` does. */
export const query = computed(() => current.value.query);

/** How often a page was opened. It does not grow while only the query changes, and tells whether focus has to move. */
export const visits = signal(0);

function here() {
  const given = location.pathname.startsWith(ROOT) ? location.pathname.slice(ROOT.length) : "/";
  return { path: given.replace(/\/+$/, "") || "/", query: new URLSearchParams(location.search) };
}

/** Open a page, by its path below the console. */
export function go(target, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", page(target));
  arrive();
}

/** Change parameters of the query; null or "" takes one away. The page stays. */
export function setQuery(changes) {
  const changed = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "" || value === undefined) changed.delete(name);
    else changed.set(name, value);
  }
  const text = changed.toString();
  history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
  current.value = here();
}

function arrive() {
  const before = current.value.path;
  current.value = here();
  if (current.value.path === before) return;
  visits.value += 1;
  scrollTo(0, 0);
}

/** Find the route of a path, with its parameters. `*name` at the end of a pattern takes all that is left. */
export function match(routes, given) {
  for (const route of routes) {
    const found = route.expression.exec(given);
    if (found) return { route, parameters: mapValues(found.groups ?? {}, decodeURIComponent) };
  }
  return null;
}

/** Make a route of a pattern such as "/jobs/:id" or "/projects/*path". */
export function route(pattern, load, { nav = null } = {}) {
  const text = pattern.replace(/:(\w+)/g, "(?<$1>[^/]+)").replace(/\*(\w+)/g, "(?<$1>.+)");
  return { expression: new RegExp(`^${text}$`), load, nav };
}

const mapValues = (object, change) =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));

/** Take links of the console, and the browser's way back. */
export function listen() {
  addEventListener("popstate", arrive);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || isForBrowser(event, link)) return;
    event.preventDefault();
    if (link.href !== location.href) history.pushState(null, "", link.href);
    arrive();
  });
}

function isForBrowser(event, link) {
  if (event.defaultPrevented || event.button !== 0) return true;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return true;
  if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return true;
  return link.hash !== "" || !(link.pathname === ROOT || link.pathname.startsWith(`${ROOT}/`));
}
