// Filters of the list of jobs, each a parameter of the address.
import { useEffect, useState } from "preact/hooks";
import { midnight } from "../format.mjs";
import { html } from "../html.mjs";
import { page } from "../place.mjs";
import { query, setQuery } from "../router.mjs";
import { isAdministrator, user } from "../session.mjs";
import { KIND_NAMES, kindWord, STATES } from "../words.mjs";

const NAMES = ["search", "kind", "state", "whose", "since"];
const PAUSE = 300;
const LEAST = 3; // letters that the server searches for
const SINCE = { today: "today", day: "last 24 hours", week: "last 7 days" };
const DAY = 86400000;
const BEGIN = {
  today: () => midnight(),
  day: () => new Date(Date.now() - DAY).toISOString(),
  week: () => new Date(Date.now() - 7 * DAY).toISOString(),
};

export const hasFilters = (given) => NAMES.some((name) => given.has(name));

/** The query for the API that an address of this page stands for. */
export function filtersOf(given) {
  const filters = new URLSearchParams();
  const search = given.get("search")?.trim() ?? "";
  if (search.length >= LEAST) filters.set("search", search);
  for (const name of ["kind", "state"]) if (given.get(name)) filters.set(name, given.get(name));
  if (given.get("whose") === "mine") filters.set("mine", "true");
  const begin = BEGIN[given.get("since")];
  if (begin) filters.set("created_after", begin());
  if (given.get("finished") === "today") filters.set("finished_after", midnight());
  return filters;
}

export function Filters() {
  const given = query.value;
  const states = { "queued,running": "waiting or running", ...mapped(STATES, (each) => each.word) };
  return html`<form class="filters" aria-label="Filters" onSubmit=${(event) => event.preventDefault()}>
    <${Search} value=${given.get("search") ?? ""} />
    <${Choice} name="kind" label="Kind" options=${Object.fromEntries(KIND_NAMES.map((kind) => [kind, kindWord(kind)]))} />
    <${Choice} name="state" label="State" options=${states} />
    ${isAdministrator.value && html`<${Choice} name="whose" label="Whose" any="all" options=${{ mine: `${user.value.username}'s` }} />`}
    <${Choice} name="since" label="Since" any="ever" options=${SINCE} />
    ${hasFilters(given) && html`<a href=${page("/jobs")}>Clear</a>`}
  </form>`;
}

function Search({ value }) {
  const [text, setText] = useState(value);
  useEffect(() => {
    if (value !== text.trim()) setText(value);
  }, [value]);
  useEffect(() => {
    const timer = setTimeout(() => text.trim() !== value && setQuery({ search: text.trim() }), PAUSE);
    return () => clearTimeout(timer);
  }, [text]);
  const isShort = text.trim() !== "" && text.trim().length < LEAST;
  return html`<label class="search"><span class="sr-only">Search a project</span>
    <input type="search" data-search placeholder="Search a project" value=${text} onInput=${(event) => setText(event.target.value)}
      aria-describedby=${isShort ? "search-help" : undefined} />
    ${isShort && html`<small id="search-help">Type ${LEAST} letters or more.</small>`}
  </label>`;
}

function Choice({ name, label, any = "any", options }) {
  const chosen = query.value.get(name) ?? "";
  const known = chosen === "" || chosen in options ? options : { ...options, [chosen]: chosen };
  return html`<select aria-label=${label} onChange=${(event) => setQuery({ [name]: event.target.value })}>
    <option value="" selected=${chosen === ""}>${label}: ${any}</option>
    ${Object.entries(known).map(
      ([value, word]) => html`<option key=${value} value=${value} selected=${value === chosen}>${label}: ${word}</option>`,
    )}
  </select>`;
}

const mapped = (object, change) => Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));
