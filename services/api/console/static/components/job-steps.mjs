// The phases of a job, and how long each took.
import { duration, rate, size } from "../format.mjs";
import { html } from "../html.mjs";
import { phaseWord, stepsOf } from "../words.mjs";

export function Steps({ job }) {
  const were = job.timings?.phases ?? [];
  const steps = stepsOf(job.kind, were);
  if (job.state === "queued" || steps.length === 0 || (were.length === 0 && job.state !== "running")) return null;
  return html`<ol class="steps">${steps.map((name, n) => html`<${Step} key=${n} name=${name} was=${were[n]} state=${stateOf(job, n, were.length)} />`)}</ol>`;
}

const SIGNS = { done: "✓", now: "●", stopped: "✕", next: "" };
const WORDS = { done: "done", now: "at work", stopped: "ended here", next: "follows" };

function Step({ name, was, state }) {
  return html`<li class=${state}>
    <span aria-hidden="true">${SIGNS[state]}</span> ${phaseWord(name)}<span class="sr-only">, ${WORDS[state]}</span>
    <small>${was ? told(was) : ""}</small>
  </li>`;
}

function stateOf(job, n, begun) {
  if (n >= begun) return "next";
  if (n < begun - 1 || job.state === "finished") return "done";
  return job.state === "running" ? "now" : "stopped";
}

function told({ seconds, bytes }) {
  const moved = bytes > 0 ? `${size(bytes)}${seconds > 0.05 ? `, ${rate(bytes / seconds)}` : ""}, ` : "";
  return `${moved}${duration(seconds)}`;
}
