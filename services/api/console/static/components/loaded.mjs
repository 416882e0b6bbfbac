// What stands in the place of data that is not there yet, or not to be had.
import { html } from "../html.mjs";
import { count } from "../format.mjs";
import { Notice } from "./small.mjs";

/** Show what was loaded by `children`, a function of the value; before that, `what` says what is loaded. */
export function Loaded({ of, what, children }) {
  if (of.value !== null) return children(of.value);
  if (of.problem) return html`<${Refused} of=${of} what=${what} />`;
  return html`<p class="quiet" aria-busy="true">Loading ${what}</p>`;
}

/** Show a list that is loaded by parts; `empty` stands there where it has no rows. */
export function Listed({ of, what, empty, children }) {
  if (of.problem) return html`<${Refused} of=${of} what=${what} />`;
  if (of.rows === null) return html`<p class="quiet" aria-busy="true">Loading ${what}</p>`;
  if (of.rows.length === 0) return empty;
  return html`${children(of.rows)}<${More} of=${of} />`;
}

function More({ of }) {
  if (!of.next) return null;
  return html`<div class="row">
    <button type="button" class="outline" aria-busy=${of.busy} disabled=${of.busy} onClick=${of.more}>More</button>
    <span class="quiet">Showing ${count(of.rows.length)}.</span>
  </div>`;
}

function Refused({ of, what }) {
  const words = {
    403: `Your role does not allow to see ${what}.`,
    404: `This does not exist, or you may not see it.`,
  };
  const { status, message } = of.problem;
  return html`<${Notice} tone="error">${words[status] ?? message}${status === 0 && html`${" "}
    <button type="button" class="plain" onClick=${of.reload}>Try now</button>`}<//>`;
}
