// One run of a schedule: how far it is, and what came of each project.
import { Ask } from "../components/actions.mjs";
import { Listed, Loaded } from "../components/loaded.mjs";
import { Page } from "../components/page.mjs";
import { RunState } from "../components/runs.mjs";
import { Bar, Facts, Notice } from "../components/small.mjs";
import { Table } from "../components/table.mjs";
import { moment, size } from "../format.mjs";
import { html } from "../html.mjs";
import { get, send } from "../http.mjs";
import { useLoaded, useParts, useTimer } from "../loading.mjs";
import { own, page, problem as problemPage } from "../place.mjs";
import { aboutRun, causeWord, isAtWork } from "../schedules.mjs";
import { canWrite } from "../session.mjs";

export default function Run({ id }) {
  const run = useLoaded((signal) => get(own(`/runs/${id}`), { signal }), [id]);
  const projects = useParts(own(`/runs/${id}/projects?per_page=50`));
  useTimer(() => (run.reload(), projects.reload()), { seconds: 3, isOn: Boolean(run.value && isAtWork(run.value)) });
  const shown = run.value;
  const heading = shown ? html`Run ${id} <${RunState} state=${shown.state} />` : `Run ${id}`;
  const beside = shown && canWrite.value && isAtWork(shown) && !shown.canceled && html`<${Cancel} run=${shown} done=${run.reload} />`;
  return html`<${Page} title="Run ${id}" heading=${heading} beside=${beside}>
    <${Loaded} of=${run} what="the run">${(value) => html`<${About} run=${value} />`}<//>
    <h2>Projects</h2>
    <${Listed} of=${projects} what="its projects" empty=${html`<p class="quiet">None yet: it looks for them first.</p>`}>
      ${(rows) => html`<${Table} caption="Projects of the run" rows=${rows} columns=${COLUMNS} />`}
    <//>
  <//>`;
}

function Cancel({ run, done }) {
  const act = async () => {
    await send("POST", own(`/runs/${run.id}/cancel`));
    done();
  };
  return html`<${Ask} name="Cancel" title="Cancel this run?" yes="Cancel the run" danger act=${act}>
    <p>Projects that are done stay backed up. The others are left as they were.</p>
  <//>`;
}

function About({ run }) {
  const numbers = Object.entries(run.projects);
  const all = numbers.reduce((sum, [, number]) => sum + number, 0);
  const ended = numbers.filter(([state]) => state !== "waiting" && state !== "queued").reduce((sum, [, number]) => sum + number, 0);
  return html`
    ${run.error && html`<${Notice} tone="error"><p>${run.error}</p>${run.error_code && html`<p><a href=${problemPage(run.error_code)} target="_blank" rel="noopener">${run.error_code}</a></p>`}<//>`}
    ${isAtWork(run) && html`<${Bar} label="Projects that have ended" value=${ended} max=${Math.max(1, all)} />`}
    <${Facts} facts=${[
      ["Projects", aboutRun(run)],
      ["Schedule", html`<a href=${page(`/schedules/${run.schedule_id}`)}>Show it</a>`],
      ["Due", `${moment(run.due_at)}, ${causeWord(run)}`],
      ["Canceled", run.canceled_by && `by ${run.canceled_by.username}`],
      ["Started", moment(run.started_at)],
      ["Finished", moment(run.finished_at)],
    ].filter(([, value]) => value)} />`;
}

const COLUMNS = [
  { name: "Project", wide: true, cell: (row) => html`${row.path_with_namespace}${row.why && html`<small class="below">${row.why}</small>`}` },
  { name: "State", cell: (row) => html`<${RunState} state=${row.state} />` },
  { name: "Job", cell: (row) => row.job_id && html`<a href=${page(`/jobs/${row.job_id}`)}>Job ${row.job_id}</a>` },
  { name: "Size", end: true, cell: (row) => size(row.size) },
  { name: "File", cell: (row) => row.file && html`<code>${row.file}</code>` },
];
