// What an import has left out, line by line.
import { useEffect, useState } from "preact/hooks";
import { count } from "../format.mjs";
import { html } from "../html.mjs";
import { getPart } from "../http.mjs";
import { own, projectPage } from "../place.mjs";
import { sentence } from "../words.mjs";
import { Notice } from "./small.mjs";
import { Table } from "./table.mjs";

const PART = 20;
const COLUMNS = [
  { name: "Kind", cell: (row) => sentence(row.relation_name ?? "") },
  { name: "Line", cell: (row) => (row.line_number === null ? "" : row.line_number + 1) }, // as editors count
  { name: "Why", wide: true, cell: (row) => row.exception_message },
];

/** Whether a job went with its project: its events tell of it, and nothing else is kept. */
const isGone = (job) => job.why_not_retry?.code === "not_found";

export function Failures({ job }) {
  const [list, setList] = useState({ rows: [], next: null, problem: null });
  const number = job.failures_count ?? 0;
  const more = async (before, cursor) => {
    const query = `per_page=${PART}${cursor ? `&cursor=${cursor}` : ""}`;
    try {
      const { items, next } = await getPart(own(`/jobs/${job.id}/failures?${query}`));
      setList({ rows: [...before, ...items], next, problem: null });
    } catch (problem) {
      setList({ rows: before, next: null, problem });
    }
  };
  useEffect(() => {
    if (job.kind.endsWith("import") && !isGone(job)) more([], null);
  }, [job.id, job.state, number]);
  if (list.problem) return html`<${Notice} tone="error">${list.problem.message}<//>`;
  if (list.rows.length === 0) return null;
  return html`<section id="left-out">
    <h2>Left out${number ? ` (${count(number)})` : ""}</h2>
    <${Table} caption="What was left out" rows=${list.rows} columns=${COLUMNS} />
    <div class="row">
      ${list.next && html`<button type="button" class="outline" onClick=${() => more(list.rows, list.next)}>More</button>`}
      <a href=${own(`/jobs/${job.id}/failures?format=ndjson`)} download="job-${job.id}-left-out.ndjson">Download all as JSON lines</a>
      <small>As in GitLab's API, lines are counted from 0 there.</small>
    </div>
    <p>Lines that could not be read are kept: the page of <a href=${projectPage(job.project.path_with_namespace)}>the project</a> says how to repair them.</p>
  </section>`;
}
