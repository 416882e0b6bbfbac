// The home page: what needs somebody, what moves, what was. Filters are in the address.
import { useComputed } from "@preact/signals";
import { Filters, filtersOf, hasFilters } from "../components/job-filters.mjs";
import { JobRow } from "../components/job-row.mjs";
import { Page } from "../components/page.mjs";
import { Command, Empty, Notice } from "../components/small.mjs";
import { Summary } from "../components/summary.mjs";
import { Heading } from "../components/table.mjs";
import { counted } from "../format.mjs";
import { html } from "../html.mjs";
import { useJobList } from "../job-list.mjs";
import { page } from "../place.mjs";
import { query } from "../router.mjs";
import { user } from "../session.mjs";

export default function Jobs() {
  return html`<${Page} title="Jobs">
    <${Summary} />
    <${Filters} />
    <${List} />
  <//>`;
}

function List() {
  const filters = useComputed(() => filtersOf(query.value).toString());
  const list = useJobList(filters);
  if (list.problem.value) return html`<${Notice} tone="error">${list.problem.value.message}<//>`;
  if (list.rows.value === null) return html`<p class="quiet" aria-busy="true">Loading the jobs</p>`;
  if (list.rows.value.length === 0) return hasFilters(query.value) ? html`<${NothingFound} />` : html`<${NothingYet} />`;
  return html`
    <${NewJobs} list=${list} />
    <table class="cards jobs">
      <caption class="sr-only">Jobs, the newest first</caption>
      <thead><tr>
        <th scope="col">State</th><th scope="col" class="project">Project</th><th scope="col" class="grow">Progress</th>
        <th scope="col">When</th><th scope="col"><${Heading} name="Actions" /></th>
      </tr></thead>
      <tbody>${list.rows.value.map((row) => html`<${JobRow} key=${row.id} row=${row.job} />`)}</tbody>
    </table>
    <${Older} list=${list} />
  `;
}

/** New jobs come in by themselves only while somebody looks at the top; else they are counted. */
function NewJobs({ list }) {
  const number = list.fresh.value;
  return html`<div class="fresh" aria-live="polite">
    ${number > 0 && html`<button type="button" class="outline" onClick=${list.showFresh}>${counted(number, "new job")}, show</button>`}
  </div>`;
}

function Older({ list }) {
  if (!list.next.value) return html`<p class="quiet">These are all.</p>`;
  return html`<div class="row">
    <button type="button" class="outline" aria-busy=${list.busy.value} disabled=${list.busy.value} onClick=${list.more}>Older jobs</button>
    <span class="quiet">Showing ${list.rows.value.length}.</span>
  </div>`;
}

function NothingFound() {
  return html`<${Empty} title="Nothing matches these filters">
    <p><a href=${page("/jobs")}>Clear the filters</a> to see all jobs.</p>
  <//>`;
}

function NothingYet() {
  return html`<${Empty} title="No jobs yet">
    <p>Drop an archive on <a href=${page("/import")}>Import</a>, or run:</p>
    <${Command}>crossdock import project_export.tar.gz --path ${user.value.username}/project<//>
  <//>`;
}
