// What an archive has, by kind: what was read or kept, and what was left out.
import { count, counted, size } from "../format.mjs";
import { html } from "../html.mjs";
import { sentence } from "../words.mjs";
import { Table } from "./table.mjs";

export function Relations({ job }) {
  const rows = Object.entries(job.progress?.relations ?? {}).map(([id, counts]) => ({ id, ...counts }));
  if (rows.length === 0) return html`<${Entries} progress=${job.progress} />`;
  return html`<h2>${job.state === "finished" ? "What is in it" : "What was read of it"}</h2>
    <${Table} caption="Kinds of records" rows=${rows} columns=${columns(job)} isSmall />
    <${Entries} progress=${job.progress} />`;
}

/** Nothing is kept before a job has finished, nor of one that never does. */
const columns = ({ state }) => [
  { name: "Kind", wide: true, cell: (row) => sentence(row.id) },
  { name: state === "finished" ? "Kept" : "Read", end: true, cell: (row) => count(row.lines) },
  { name: "Left out", end: true, cell: (row) => (row.failed ? html`<a class="left-out" href="#left-out">${count(row.failed)}</a>` : "0") },
  { name: "Size", end: true, cell: (row) => size(row.bytes) },
];

function Entries({ progress }) {
  return progress?.entries ? html`<p class="quiet">${counted(progress.entries, "entry", "entries")} in the archive, with its folders.</p>` : null;
}
