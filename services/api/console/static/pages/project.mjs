// One project: what is in it, its jobs, its export, who may do what, and what other systems send to it.
import { AfterImport, importInto } from "../components/after-import.mjs";
import { DeleteZone } from "../components/delete-project.mjs";
import { ExportButton } from "../components/export-button.mjs";
import { Ended } from "../components/failure.mjs";
import { Listed, Loaded } from "../components/loaded.mjs";
import { Members } from "../components/members.mjs";
import { MissingProject } from "../components/missing.mjs";
import { Page } from "../components/page.mjs";
import { Ago, Command, Empty, Facts, Lines, Notice, State } from "../components/small.mjs";
import { Table } from "../components/table.mjs";
import { count, counted, moment, size } from "../format.mjs";
import { html } from "../html.mjs";
import { get } from "../http.mjs";
import { loadJob } from "../jobs.mjs";
import { useLoaded, useNews, useParts } from "../loading.mjs";
import { gitlab, own, page } from "../place.mjs";
import { canWrite } from "../session.mjs";
import { ENDED, kindWord, sentence } from "../words.mjs";

export default function Project({ path }) {
  const loaded = useLoaded((signal) => loadProject(path, signal), [path]);
  useNews(loaded.reload);
  if (loaded.problem?.status === 404) return html`<${MissingProject} path=${path} />`;
  if (loaded.value === null) return html`<${Page} title=${path}><${Loaded} of=${loaded} what="the project" /><//>`;
  return html`<${Shown} ...${loaded.value} reload=${loaded.reload} />`;
}

/** GitLab's document of a project has what everybody sees; ours, for maintainers, the sizes and the last jobs. */
async function loadProject(path, signal) {
  const project = await get(gitlab(`/projects/${encodeURIComponent(path)}`), { signal });
  const options = { signal };
  const listed = await get(own(`/projects?search=${encodeURIComponent(path)}&per_page=100`), options).catch(() => []);
  return { project, known: listed.find((each) => each.id === project.id) ?? null };
}

function Shown({ project, known, reload }) {
  const beside = known && html`<${ExportButton} project=${known} done=${reload} />`;
  return html`<${Page} title=${project.path_with_namespace} beside=${beside}>
    ${project.archived && html`<${Notice}>This project is archived: nothing in it can be changed.<//>`}
    ${known?.empty && html`<${Nothing} project=${known} />`}
    <div class="columns">
      <div>
        ${known && html`<${Jobs} project=${project} />`}
        <${Content} known=${known} />
        <${Members} of="projects" id=${project.id} />
      </div>
      <div>
        <h2>About</h2>
        <${About} project=${project} known=${known} />
        ${known && html`<${Pushes} id=${project.id} />`}
        ${known && html`<${Refused} project=${project} />`}
        ${known && html`<${Elsewhere} project=${project} empty=${known.empty} />`}
      </div>
    </div>
    ${known && !isInVain(known) && html`<${DeleteZone} project=${known} />`}
  <//>`;
}

/** A project without content: its import was in vain, or goes on, or nobody has begun one. */
function Nothing({ project }) {
  const last = project.last_import;
  if (isInVain(project)) return html`<${InVain} project=${project} />`;
  if (last && !ENDED.has(last.state)) {
    return html`<${Notice}>Its content is on its way: <a href=${page(`/jobs/${last.id}`)}>see how far the import is</a>.<//>`;
  }
  return html`<${Empty} title="Nothing is in it yet">
    <p>Its content comes by an import that replaces it: ${canWrite.value && html`<a href=${importInto(project.path_with_namespace)}>import a file</a>, or by command:`}</p>
    <${Command}>crossdock import project_export.tar.gz --path ${project.path_with_namespace} --overwrite<//>
  <//>`;
}

/** Whether all there is of a project is an import that ended without effect: what one may do stands beside why. */
const isInVain = ({ empty, last_import: last }) => empty && ["failed", "canceled"].includes(last?.state);

function InVain({ project }) {
  const { value: job } = useLoaded(() => loadJob(project.last_import.id), [project.last_import.id]);
  if (job === null) return null;
  return html`<${Ended} job=${job} of=${html`Nothing is in it: <a href=${page(`/jobs/${job.id}`)}>its import</a>`}>
    <${AfterImport} job=${job} project=${project} />
  <//>`;
}

function About({ project, known }) {
  return html`<${Facts} facts=${[
    ["Name", project.name],
    ["Visibility", project.visibility],
    ["Description", project.description && html`<${Lines} text=${project.description} />`],
    ["Made", moment(project.created_at)],
    ["Size", known && !known.empty && size(known.size_bytes)],
    ["Files", known && !known.empty && count(known.entries_count)],
    ["Snapshots", known?.snapshots_count > 0 && count(known.snapshots_count)],
    ["Last activity", html`<${Ago} at=${project.last_activity_at} />`],
    ["Id", String(project.id)],
  ].filter(([, value]) => value)} />`;
}

const SHOWN = 6; // kinds; the others are there to be opened

const KINDS = [
  { name: "Kind", wide: true, cell: (row) => sentence(row.id) },
  { name: "Records", end: true, cell: (row) => count(row.records) },
];

function Content({ known }) {
  const rows = Object.entries(known?.relations ?? {}).map(([id, records]) => ({ id, records }));
  rows.sort((one, other) => other.records - one.records || one.id.localeCompare(other.id));
  if (rows.length === 0) return null;
  const rest = rows.slice(SHOWN);
  return html`<h2>What is in it</h2>
    <${Table} caption="Kinds of records, the most frequent first" rows=${rows.slice(0, SHOWN)} columns=${KINDS} isSmall />
    ${rest.length > 0 && html`<details><summary>${counted(rest.length, "other kind")}</summary><${Table} caption="Other kinds of records" rows=${rest} columns=${KINDS} isSmall /></details>`}`;
}

const JOBS = [
  { name: "Job", wide: true, cell: (job) => html`<a href=${page(`/jobs/${job.id}`)}>${sentence(kindWord(job.kind))}</a> <small>job ${job.id}</small>` },
  { name: "State", cell: (job) => html`<${State} state=${job.state} />` },
  { name: "When", cell: (job) => html`<${Ago} at=${job.finished_at ?? job.started_at ?? job.created_at} />` },
];

function Jobs({ project }) {
  const list = useParts(own(`/jobs?project=${project.id}&per_page=5`));
  useNews(list.reload, (event) => event.data?.project?.id === project.id && !event.type.includes(".progress."));
  return html`<h2>Jobs</h2>
    <${Listed} of=${list} what="its jobs" empty=${html`<p class="quiet">None yet.</p>`}>
      ${(rows) => html`<${Table} caption="Jobs of this project, the newest first" rows=${rows} columns=${JOBS} />`}
    <//>`;
}

const PUSHES = [
  { name: "Snapshot", cell: (row) => String(row.id) },
  { name: "Files", end: true, cell: (row) => count(row.entries) },
  { name: "Size", end: true, cell: (row) => size(row.bytes) },
  { name: "Goes", cell: (row) => html`<${Ago} at=${row.expires_at} />` },
];

/** What other systems are sending at this moment, file by file. */
function Pushes({ id }) {
  const loaded = useLoaded((signal) => get(own(`/projects/${id}/snapshots`), { signal }), [id]);
  const open = (loaded.value ?? []).filter((each) => each.state === "open");
  if (open.length === 0) return null;
  return html`<h2>Being sent</h2>
    <p class="quiet">${counted(open.length, "snapshot")} that another system fills, and that nobody sees before it is committed.</p>
    <${Table} caption="Open snapshots" rows=${open} columns=${PUSHES} />`;
}

function Refused({ project }) {
  const loaded = useLoaded((signal) => get(own(`/projects/${project.id}/quarantine`), { signal }), [project.id]);
  const lines = loaded.value?.lines ?? 0;
  if (!lines) return null;
  return html`<h2>Refused lines</h2>
    <p>${counted(lines, "line")} of the archive could not be read and ${lines === 1 ? "is" : "are"} kept. Fetch them, repair what each has as “record”, and send them again:</p>
    <${Command}>crossdock quarantine ${project.path_with_namespace} -o refused.jsonl<//>
    <${Command}>crossdock quarantine ${project.path_with_namespace} --import refused.jsonl<//>`;
}

function Elsewhere({ project, empty }) {
  return html`<h2>For other systems</h2>
    <p><a href=${page(`/webhooks?project=${encodeURIComponent(project.path_with_namespace)}`)}>Webhooks of this project</a></p>
    ${!empty && html`<h2>Do the same by command</h2>
      <${Command}>crossdock export ${project.path_with_namespace} -o ${project.path}.tar.gz<//>`}`;
}
