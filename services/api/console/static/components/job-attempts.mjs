// Attempts that ended by an error.
import { clock } from "../format.mjs";
import { html } from "../html.mjs";
import { explain, PEER_AT_WORK } from "../words.mjs";
import { Table } from "./table.mjs";

const COLUMNS = [
  { name: "Attempt", cell: (row) => row.attempt },
  { name: "When", cell: (row) => clock(row.at) },
  { name: "Why it ended", wide: true, cell: (row) => `${explain(row.code, row.error).means}${row.times > 1 ? ` (${row.times} times)` : ""}` },
];

export function Attempts({ job }) {
  const ended = (job.errors ?? []).filter((each) => each.code !== PEER_AT_WORK);
  if (!ended.length || (ended.length === 1 && job.state === "failed")) return null; // told above
  return html`<h2>Attempts that ended early</h2>
    <${Table} caption="Attempts" rows=${ended} columns=${COLUMNS} idOf=${(row) => `${row.attempt} ${row.at}`} />`;
}
