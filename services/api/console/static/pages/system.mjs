// How the server is, for administrators: its parts, workers, queues, storage, and what could not be processed.
import { useRef } from "preact/hooks";
import { now } from "../clock.mjs";
import { onServer } from "../commands.mjs";
import { DEAD_LETTERS, DeadLetters } from "../components/dead-letters.mjs";
import { Fold } from "../components/fold.mjs";
import { Loaded } from "../components/loaded.mjs";
import { Page } from "../components/page.mjs";
import { Ago, Command, Facts, Notice, Sparkline, Tile } from "../components/small.mjs";
import { SystemPicture } from "../components/system-picture.mjs";
import { Table } from "../components/table.mjs";
import { count, counted, duration, size } from "../format.mjs";
import { html } from "../html.mjs";
import { get } from "../http.mjs";
import { useLoaded, useTimer } from "../loading.mjs";
import { elsewhere, gitlab, own, page } from "../place.mjs";
import { oldest, partsOf, processesOf, slotWord, STORED, sum, taskWord } from "../system.mjs";
import { sentence } from "../words.mjs";

const EVERY = 5; // seconds
const POINTS = 60; // of a chart, so five minutes
const IN_MEMORY = "memory"; // the broker of a standalone

export default function System() {
  const loaded = useLoaded((signal) => get(own("/system"), { signal }));
  const letters = useLoaded((signal) => get(DEAD_LETTERS, { signal }));
  useTimer(() => (loaded.reload(), letters.reload()), { seconds: EVERY });
  return html`<${Page} title="System">
    ${loaded.problem && loaded.value && html`<${Notice} tone="warning">What you see is older: ${loaded.problem.message}<//>`}
    <${Loaded} of=${loaded} what="the system">${(value) => html`<${Shown} system=${value} letters=${letters} />`}<//>
  <//>`;
}

function Shown({ system, letters }) {
  return html`
    <${Health} readiness=${system.readiness} />
    <h2 class="sr-only">Readiness</h2>
    <${Facts} facts=${partsOf(system.readiness).map((part) => [part.name, html`<${Answer} part=${part} />`])} across />
    <${SystemPicture} system=${system} />
    <${Numbers} system=${system} letters=${letters.value?.dead_letters} />
    <div class="columns">
      <div>
        <h2>Queues</h2>
        <${Queues} queues=${system.queues} />
        <h2>Workers</h2>
        ${system.workers.length ? html`<${Table} caption="Workers that were seen in the last day" rows=${processesOf(system.workers)} idOf=${(row) => row.name} columns=${workers(system)} />` : html`<${NoWorkers} />`}
        <${DeadLetters} of=${letters} />
      </div>
      <div>
        <${Fold} title="Storage"><${Storage} storage=${system.storage} suspects=${system.suspects} /><//>
        <${Fold} title="Housekeeping"><${Housekeeping} tasks=${system.tasks} /><//>
        <${Fold} title="Versions">
          <${Versions} versions=${system.versions} />
          <p><a href=${elsewhere("/api/licences")} target="_blank" rel="noopener">Licences</a> of the libraries of this console.</p>
        <//>
      </div>
    </div>`;
}

function Versions({ versions }) {
  const { crossdock, schema, postgres, broker } = versions;
  const spoken = useLoaded((signal) => get(gitlab("/version"), { signal })).value;
  return html`<${Facts} facts=${[
    ["Crossdock", crossdock],
    ["Speaks", spoken && `the API of GitLab ${spoken.version}`],
    ["Schema", `migration ${schema}`],
    ["Postgres", postgres],
    ["Broker", broker === IN_MEMORY ? "none: in the memory of the process" : (broker ?? "not known")],
  ]} />`;
}

function Health({ readiness }) {
  const parts = partsOf(readiness);
  const away = parts.filter((part) => !part.isWell);
  if (away.length === 0) return html`<${Notice}><strong>All is well.</strong> ${listed(parts.map((part) => part.name))} answer.<//>`;
  return html`<${Notice} tone="error"><strong>${away.map((part) => part.name).join(", ")}: no answer.</strong>
    Jobs that were accepted wait; nothing is lost.
    ${away.map((part) => part.message && html`<p key=${part.name}>${part.message}</p>`)}<//>`;
}

const listed = (names) => `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

function Answer({ part }) {
  if (!part.isWell) return html`<span class="state failed"><span aria-hidden="true">✕</span> does not answer</span>`;
  return html`<span class="finished"><span aria-hidden="true">✓</span> answers</span>`;
}

function Numbers({ system, letters }) {
  const { queues, storage } = system;
  const past = useRef({ of: null, waiting: [], running: [] });
  if (past.current.of !== system) past.current = withNew(past.current, system);
  const { waiting, running } = past.current;
  const there = processesOf(system.workers).filter((each) => !each.silent).length;
  return html`<div class="tiles">
    <${Tile} name="Waiting jobs" value=${count(sum(queues, "waiting"))} chart=${html`<${Sparkline} values=${waiting} label="Waiting jobs in the last minutes: at most ${Math.max(...waiting)}" />`}>${waited(queues)}<//>
    <${Tile} name="Jobs at work" value=${count(sum(queues, "running"))} chart=${html`<${Sparkline} values=${running} label="Jobs at work in the last minutes: at most ${Math.max(...running)}" />`}>by ${counted(there, "process", "processes")}<//>
    <${Tile} name="Stored" value=${storage ? size(sum(storage, "bytes")) : "–"}>${storage ? counted(sum(storage, "objects"), "object") : "too much to count now"}<//>
    <${Tile} name="Dead letters" value=${letters ? count(letters.length) : "–"} tone=${letters?.length ? "failed" : ""}>
      ${letters?.length ? html`<a href="#dead-letters">show them</a>` : "none"}
    <//>
  </div>`;
}

function withNew(past, system) {
  const add = (values, name) => [...values, sum(system.queues, name)].slice(-POINTS);
  return { of: system, waiting: add(past.waiting, "waiting"), running: add(past.running, "running") };
}

function waited(queues) {
  const since = oldest(queues);
  if (!since) return sum(queues, "waiting") > 0 ? "none is due yet" : "nothing waits";
  return `oldest: ${duration(Math.max(0, Math.floor((now.value - Date.parse(since)) / 1000)))}`;
}

/** Those that are empty stand folded below the others. */
function Queues({ queues }) {
  const full = queues.filter((each) => each.waiting + each.running > 0);
  const empty = queues.filter((each) => each.waiting + each.running === 0);
  const table = (caption, rows) => html`<${Table} caption=${caption} rows=${rows} idOf=${(row) => row.kind} columns=${QUEUES} isSmall />`;
  return html`
    ${full.length > 0 ? table("Queues, by what workers do", full) : html`<p class="quiet">Nothing waits, and nothing is at work.</p>`}
    ${empty.length > 0 && html`<details><summary>${counted(empty.length, "empty queue")}</summary>${table("Empty queues", empty)}</details>`}`;
}

const QUEUES = [
  { name: "Kind", wide: true, cell: (row) => sentence(slotWord(row.kind)) },
  { name: "Waiting", end: true, cell: (row) => count(row.waiting) },
  { name: "At work", end: true, cell: (row) => count(row.running) },
  { name: "Places", end: true, cell: (row) => count(row.slots) },
  { name: "Oldest", end: true, cell: (row) => html`<${Ago} at=${row.oldest_waiting_since} />` },
];

const workers = ({ versions }) => [
  { name: "Process", wide: true, cell: (row) => html`${row.name}<small class="below">${row.kinds.map(slotWord).sort().join(", ")}</small>` },
  { name: "Doing", cell: (row) => (row.running.length ? row.running.map((id) => html`<a key=${id} href=${page(`/jobs/${id}`)}>job ${id}</a> `) : row.silent ? html`<span class="quiet">not heard any more</span>` : "nothing") },
  { name: "Seen", cell: (row) => html`<${Ago} at=${row.seen_at} />` },
  { name: "Version", cell: (row) => row.version && html`<span class=${row.version === versions.crossdock ? "" : "left-out"}>${row.version}</span>` },
];

function NoWorkers() {
  return html`<${Notice} tone="warning">No worker was seen, so that jobs wait. Start them:<//>
    <${Command}>crossdock importer<//>
    <${Command}>crossdock exporter<//>`;
}

function Storage({ storage, suspects }) {
  const damaged = storage ? sum(storage, "damaged") : 0;
  const kinds = (storage ?? []).map((each) => [STORED[each.kind] ?? sentence(each.kind), `${size(each.bytes)}, ${counted(each.objects, "object")}`]);
  return html`
    ${kinds.length > 0 ? html`<${Facts} facts=${kinds} />` : html`<p class="quiet">${storage ? "Nothing is stored yet." : "There is so much that it was not counted in time."}</p>`}
    ${suspects > 0 && html`<p class="quiet">${counted(suspects, "object")} may be needed no more: housekeeping looks again before it deletes anything.</p>`}
    ${damaged > 0 && html`<${Notice} tone="error"><p>${counted(damaged, "object")} damaged. Look at them:</p><${Command}>${onServer("crossdock admin check")}<//><//>`}`;
}

function Housekeeping({ tasks }) {
  if (tasks.length === 0) return html`<p class="quiet">It has not run yet.</p>`;
  const failed = tasks.filter((task) => task.error);
  const last = tasks.map((task) => task.run_at).sort().at(-1);
  return html`
    ${failed.map((task) => html`<${Notice} key=${task.task} tone="error"><strong>${taskWord(task.task)}:</strong> ${task.error}<//>`)}
    <p>${failed.length ? `${failed.length} of ${counted(tasks.length, "task")} failed` : `All ${counted(tasks.length, "task")} went well`}, the last one <${Ago} at=${last} />.</p>
    <details><summary>Each task</summary>
      <${Facts} facts=${tasks.map((task) => [taskWord(task.task), html`<${Ago} at=${task.run_at} />, ${duration(task.seconds)}`])} />
    </details>`;
}
