// One schedule: what it does, when it runs next, and how its runs went.
import { Act, Ask } from "../components/actions.mjs";
import { Listed, Loaded } from "../components/loaded.mjs";
import { Page } from "../components/page.mjs";
import { Runs } from "../components/runs.mjs";
import { Ago, Command, Facts, Notice } from "../components/small.mjs";
import { moment } from "../format.mjs";
import { html } from "../html.mjs";
import { get, send } from "../http.mjs";
import { useLoaded, useParts, useTimer } from "../loading.mjs";
import { own, page } from "../place.mjs";
import { go } from "../router.mjs";
import { aboutProjects, aboutRetention, isAtWork } from "../schedules.mjs";
import { canWrite } from "../session.mjs";
import { toast } from "../toasts.mjs";

export default function Schedule({ id }) {
  const schedule = useLoaded((signal) => get(own(`/schedules/${id}`), { signal }), [id]);
  const runs = useParts(own(`/schedules/${id}/runs?per_page=20`));
  const reload = () => (schedule.reload(), runs.reload());
  useTimer(reload, { seconds: 5, isOn: (runs.rows ?? []).some(isAtWork) });
  const shown = schedule.value;
  const beside = shown && canWrite.value && html`<${Actions} schedule=${shown} reload=${reload} />`;
  return html`<${Page} title=${shown?.name ?? `Schedule ${id}`} beside=${beside}>
    <${Loaded} of=${schedule} what="the schedule">${(value) => html`<${About} schedule=${value} />`}<//>
    <h2>Runs</h2>
    <${Listed} of=${runs} what="the runs" empty=${html`<${NoRuns} schedule=${shown} />`}>${(rows) => html`<${Runs} rows=${rows} />`}<//>
    <p><a href=${page("/schedules")}>All schedules and destinations</a></p>
  <//>`;
}

function Actions({ schedule, reload }) {
  const address = own(`/schedules/${schedule.id}`);
  const run = async () => {
    const made = await send("POST", `${address}/run`);
    toast(`Run ${made.id} has begun.`, { link: { href: page(`/runs/${made.id}`), text: "Show it" } });
    reload();
  };
  const turn = async () => {
    await send("POST", `${address}/${schedule.paused ? "resume" : "pause"}`);
    reload();
  };
  const remove = async () => {
    await send("DELETE", address);
    toast(`${schedule.name} is deleted.`);
    go("/schedules");
  };
  return html`<div class="row">
    <${Act} act=${run}>Run now<//>
    <${Act} act=${turn}>${schedule.paused ? "Resume" : "Pause"}<//>
    <${Ask} name="Delete" title="Delete ${schedule.name}?" yes="Delete" danger act=${remove}>
      <p>It does not run any more, and its runs go with it. What it has backed up stays.</p>
    <//>
  </div>`;
}

function About({ schedule }) {
  const id = schedule.source_id ?? schedule.destination_id;
  const place = useLoaded((signal) => get(own(`/destinations/${id}`), { signal }), [id]).value;
  return html`
    ${schedule.paused && html`<${Notice} tone="warning">It is paused: nothing is backed up until somebody resumes it.<//>`}
    <${Facts} facts=${[
      ["What", aboutProjects(schedule)],
      [schedule.source_id ? "From" : "Where", place?.name],
      ["When", html`<code>${schedule.cron}</code>, times of ${schedule.time_zone}`],
      ["Next", schedule.next_run_at && html`<${Ago} at=${schedule.next_run_at} />: ${moment(schedule.next_run_at)} by your clock`],
      ["After that", schedule.next_runs.slice(1, 4).map(moment).join("; ")],
      ["Keeps", `${aboutRetention(schedule.retention)}, and the newest of each project always`],
      ["Into", schedule.into],
    ].filter(([, value]) => value)} />`;
}

function NoRuns({ schedule }) {
  return html`<p class="quiet">None yet. The first one comes at its time; to start one now:</p>
    <${Command}>crossdock schedules run ${schedule?.name ?? ""} --wait<//>`;
}
