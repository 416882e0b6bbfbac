// Small views that all pages use.
import { now } from "../clock.mjs";
import { ago, moment } from "../format.mjs";
import { html } from "../html.mjs";
import { toast } from "../toasts.mjs";
import { STATES } from "../words.mjs";

/** The state of a job: sign, word and colour. */
export function State({ state }) {
  const { sign, word, tone } = STATES[state] ?? { sign: "?", word: state, tone: "quiet" };
  return html`<span class="state ${tone}"><span aria-hidden="true">${sign}</span> ${word}</span>`;
}

/** How long ago something was; the exact time shows under the pointer. */
export function Ago({ at }) {
  return at ? html`<time datetime=${at} title=${moment(at)}>${ago(at, now.value)}</time>` : null;
}

/** A bar. Without a value it slides, as nobody knows how much is left. */
export function Bar({ label, value = null, max = 1, tone = "" }) {
  const known = value === null ? {} : { value, max };
  return html`<progress class=${tone} aria-label=${label} ...${known}></progress>`;
}

/** A box with words: "info", "warning" or "error". */
export function Notice({ tone = "info", children }) {
  return html`<div class="notice ${tone}" role=${tone === "error" ? "alert" : undefined}>${children}</div>`;
}

const LONG = 300; // letters, behind which a text scrolls by itself

/** A text by others, whose lines are kept: however long it is, the page does not become so. */
export function Lines({ text }) {
  if (text.length <= LONG) return html`<span class="lines">${text}</span>`;
  return html`<div class="lines long" tabindex="0" role="group" aria-label="A long text">${text}</div>`;
}

/** A command to copy. */
export function Command({ children }) {
  const text = [children].flat().join(""); // a template with values in it has several children
  return html`<div class="command"><code>${text}</code><${Copy} text=${text} what="the command" /></div>`;
}

/** A button that copies a text, and tells whether it could. */
export function Copy({ text, what, tell = toast }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      tell(`Copied ${what}.`);
    } catch {
      tell("The browser does not allow to copy. Select the text and copy it by hand.", { isError: true });
    }
  };
  return html`<button type="button" class="plain" aria-label="Copy ${what}" onClick=${copy}>Copy</button>`;
}

/** A page or a list that has nothing yet: what to do next. */
export function Empty({ title, children }) {
  return html`<section class="empty"><h2>${title}</h2>${children}</section>`;
}

/** Names and values, without those that are not there: [[name, value], ...]. `across`: beside each other. */
export function Facts({ facts, across = false }) {
  const known = facts.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return html`<dl class=${across ? "facts across" : "facts"}>
    ${known.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

/** A number that matters, with a sentence below it. */
export function Tile({ name, value, tone = "", chart = null, children }) {
  return html`<section class="tile">
    <h2>${name}</h2>
    <div class="row"><strong class=${tone}>${value}</strong>${chart}</div>
    <p>${children}</p>
  </section>`;
}

/** A small chart of numbers over time; `label` says the same in words. */
export function Sparkline({ values, label }) {
  if (values.length < 2) return null;
  const most = Math.max(...values, 1);
  const points = values.map((value, n) => `${(n * 80) / (values.length - 1)},${22 - (value * 20) / most}`);
  return html`<svg class="spark" viewBox="0 0 80 24" preserveAspectRatio="none" role="img" aria-label=${label}>
    <polygon points="0,24 ${points.join(" ")} 80,24" /><polyline points=${points.join(" ")} />
  </svg>`;
}
