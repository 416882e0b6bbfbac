// The projects of whoever is signed in: what is in them, and how their last import and export went.
import { useState } from "preact/hooks";
import { ExportButton } from "../components/export-button.mjs";
import { Listed } from "../components/loaded.mjs";
import { Page } from "../components/page.mjs";
import { Ago, Command, Empty, State } from "../components/small.mjs";
import { Table } from "../components/table.mjs";
import { counted, size } from "../format.mjs";
import { html } from "../html.mjs";
import { useNews, useParts } from "../loading.mjs";
import { own, page, projectPage } from "../place.mjs";
import { query, setQuery } from "../router.mjs";
import { canWrite, user } from "../session.mjs";

const ORDERS = {
  last_activity_at: "last activity", last_import_at: "last import", last_export_at: "last export", size: "size", path: "path",
};

export default function Projects() {
  const list = useParts(own(`/projects?${queryOf(query.value)}`));
  useNews(list.reload);
  const isFiltered = query.value.has("search");
  return html`<${Page} title="Projects" beside=${canWrite.value && html`<a role="button" href=${page("/import")}>Import a project</a>`}>
    <${Filters} />
    <${Listed} of=${list} what="the projects" empty=${isFiltered ? html`<${NothingFound} />` : html`<${NothingYet} />`}>
      ${(rows) => html`<${Table} caption="Projects" rows=${rows} columns=${columns(list.reload)} />`}
    <//>
  <//>`;
}

function queryOf(given) {
  const asked = new URLSearchParams({ per_page: 50, order_by: given.get("order_by") ?? "last_activity_at" });
  if (given.get("search")) asked.set("search", given.get("search"));
  return asked;
}

function Filters() {
  const [text, setText] = useState(query.value.get("search") ?? "");
  const search = (event) => {
    event.preventDefault();
    setQuery({ search: text.trim() });
  };
  const chosen = query.value.get("order_by") ?? "last_activity_at";
  return html`<form class="filters" onSubmit=${search}>
    <label class="search"><span class="sr-only">Search by path</span>
      <input type="search" data-search placeholder="Search by path" value=${text} onInput=${(event) => setText(event.target.value)} />
    </label>
    <button type="submit" class="outline">Search</button>
    <select aria-label="Order" onChange=${(event) => setQuery({ order_by: event.target.value })}>
      ${Object.entries(ORDERS).map(([value, word]) => html`<option key=${value} value=${value} selected=${value === chosen}>Order: ${word}</option>`)}
    </select>
  </form>`;
}

const columns = (done) => [
  {
    name: "Project", wide: true,
    cell: (row) => html`<a href=${projectPage(row.path_with_namespace)}>${row.path_with_namespace}</a><small class="below">${row.visibility}${row.archived ? ", archived" : ""}</small>`,
  },
  { name: "Content", cell: (row) => html`<${Content} row=${row} />` },
  { name: "Last import", cell: (row) => html`<${Last} job=${row.last_import} />` },
  { name: "Last export", cell: (row) => html`<${Last} job=${row.last_export} /><${OfAnother} job=${row.last_export} />` },
  { name: "Actions", cell: (row) => html`<${ExportButton} project=${row} done=${done} />` },
];

function Content({ row }) {
  if (row.empty) return "empty";
  const { issues = 0, merge_requests: requests = 0 } = row.relations ?? {};
  const told = [issues && counted(issues, "issue"), requests && counted(requests, "merge request")].filter(Boolean);
  return html`${size(row.size_bytes)}<small class="below">${told.join(", ") || counted(row.entries_count, "file")}</small>`;
}

function Last({ job }) {
  if (!job) return html`<span class="quiet">never</span>`;
  return html`<a class="about" href=${page(`/jobs/${job.id}`)}><${State} state=${job.state} /></a> <${Ago} at=${job.finished_at ?? job.created_at} />`;
}

/** Why there is no download: exports are each user's own, as in GitLab. */
function OfAnother({ job }) {
  if (!job || job.username === user.value.username) return null;
  return html`<small class="below">by ${job.username ?? "a user who is gone"}, for nobody else</small>`;
}

function NothingFound() {
  return html`<${Empty} title="No project has this in its path">
    <p><a href=${page("/projects")}>Clear the search</a> to see all projects.</p>
  <//>`;
}

function NothingYet() {
  return html`<${Empty} title="No projects yet">
    <p>A project comes by an import. Drop an archive on <a href=${page("/import")}>Import</a>, or run:</p>
    <${Command}>crossdock import project_export.tar.gz --path ${user.value.username}/project<//>
    <p>You have no archive? In GitLab, open a project, then Settings, General, Advanced, Export project.</p>
  <//>`;
}
