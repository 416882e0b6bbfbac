// Runs of a schedule: a list of them, and their state.
import { causeWord, aboutRun, RUN_STATES } from "../schedules.mjs";
import { html } from "../html.mjs";
import { duration, inShort } from "../format.mjs";
import { page } from "../place.mjs";
import { Ago } from "./small.mjs";
import { Table } from "./table.mjs";

/** The state of a run or of one of its projects: sign, word and colour. */
export function RunState({ state }) {
  const { sign, word, tone } = RUN_STATES[state] ?? { sign: "?", word: state, tone: "quiet" };
  return html`<span class="state ${tone}"><span aria-hidden="true">${sign}</span> ${word}</span>`;
}

export function Runs({ rows }) {
  return html`<${Table} caption="Runs, the newest first" rows=${rows} columns=${COLUMNS} />`;
}

const COLUMNS = [
  { name: "Run", cell: (run) => html`<a href=${page(`/runs/${run.id}`)}>Run ${run.id}</a>` },
  { name: "State", cell: (run) => html`<${RunState} state=${run.state} />` },
  { name: "Projects", wide: true, cell: (run) => html`${aboutRun(run)}${run.error && html`<small class="below">${inShort(run.error)}</small>`}` },
  { name: "Due", cell: (run) => html`<${Ago} at=${run.due_at} /> <small>${causeWord(run)}</small>` },
  { name: "Took", end: true, cell: (run) => took(run) },
];

const took = (run) =>
  run.started_at && run.finished_at ? duration((Date.parse(run.finished_at) - Date.parse(run.started_at)) / 1000) : "";
