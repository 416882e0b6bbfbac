// How far a job is, in a bar and in words.
import { useRef } from "preact/hooks";
import { clock, count, counted, duration, rate, roughCount, size, sizeOf } from "../format.mjs";
import { html } from "../html.mjs";
import { linesOf, paceOf } from "../jobs.mjs";
import { page } from "../place.mjs";
import { doing, explain } from "../words.mjs";
import { Bar, Sparkline } from "./small.mjs";

const VIEWS = { running: Running, queued: Waiting, failed: Failed, finished: Finished, canceled: Canceled };

export function JobProgress({ job }) {
  const view = VIEWS[job.state];
  return view ? html`<${view} job=${job} />` : null;
}

function Running({ job }) {
  const { bytes_done: done = 0, bytes_total: total = 0 } = job.progress ?? {};
  const isMoving = total > 0 && done < total;
  return html`
    <${Bar} label="Progress of job ${job.id}" value=${total > 0 ? done : null} max=${total || 1} tone="running" />
    <small class="moving">${isMoving ? movingWords(job, done, total) : phaseWords(job)}</small>
  `;
}

const POINTS = 120; // of the chart, one for each event with a rate, which come once a second

/** The progress of a job on its own page, with a chart of its rate as long as somebody looks. */
export function JobPace({ job }) {
  const past = useRef({ rates: [], of: null });
  const { rate: pace } = paceOf(job);
  if (job.state === "running" && pace !== null && past.current.of !== job.progress) {
    past.current = { rates: [...past.current.rates, pace].slice(-POINTS), of: job.progress };
  }
  const { rates } = past.current;
  return html`<${JobProgress} job=${job} />
    ${rates.length > 1 && html`<p class="pace quiet">
      <${Sparkline} values=${rates} label="Rate in the last ${counted(rates.length, "second")}: now ${rate(rates.at(-1))}, highest ${rate(Math.max(...rates))}" />
      <span aria-hidden="true">highest ${rate(Math.max(...rates))}</span>
    </p>`}`;
}

function movingWords(job, done, total) {
  const { rate: pace, left } = paceOf(job);
  const { kept } = linesOf(job);
  const words = [sizeOf(done, total), pace && rate(pace), left && `${duration(left)} left`, kept > 0 && `${roughCount(kept)} lines`];
  return words.filter(Boolean).join(" · ");
}

function phaseWords(job) {
  const phase = job.phase ?? job.timings?.phases?.at(-1)?.name;
  return phase ? doing(phase) : "Starting";
}

function Waiting({ job }) {
  const line = job.position ? `${ordinal(job.position)} in line` : "In line";
  const again = job.attempt > 0 && job.due_at ? `; tries again at ${clock(job.due_at)}` : "";
  return html`<small>${line}${again}${job.attempt > 0 && job.error ? ` (${job.error})` : ""}</small>`;
}

function ordinal(number) {
  const ending = { one: "st", two: "nd", few: "rd", other: "th" };
  return `${count(number)}${ending[new Intl.PluralRules("en", { type: "ordinal" }).select(number)]}`;
}

function Failed({ job }) {
  const { means } = explain(job.error_code, job.error);
  return html`<span class="failed">${means}</span> <a href=${page(`/jobs/${job.id}`)}>What happened</a>`;
}

function Finished({ job }) {
  const bytes = job.archive?.size ?? job.progress?.bytes_done;
  const took = job.timings?.ran_seconds;
  const leftOut = job.failures_count ?? 0;
  return html`<small>${[bytes && size(bytes), took != null && `in ${duration(took)}`].filter(Boolean).join(" ")}</small>
    ${leftOut > 0 && html`${" · "}<a class="left-out" href=${page(`/jobs/${job.id}`)}>${counted(leftOut, "item")} left out</a>`}`;
}

function Canceled({ job }) {
  return html`<small>${job.error ?? "It was canceled."}</small>`;
}
