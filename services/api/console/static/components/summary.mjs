// The four numbers above the list: what waits, what runs, what failed today, what was moved today.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { now } from "../clock.mjs";
import { count, duration, midnight, rate, size } from "../format.mjs";
import { html } from "../html.mjs";
import { jobIdOf, loadSummary } from "../jobs.mjs";
import { onEvent } from "../live.mjs";
import { paced } from "../paced.mjs";
import { page } from "../place.mjs";
import { ENDED } from "../words.mjs";
import { Sparkline, Tile } from "./small.mjs";

const PAUSE = 2000; // between points of a chart, and between requests where much moves
const POINTS = 60; // of a chart

export function Summary() {
  const summary = useSignal(null);
  const past = useSignal({ waiting: [], rates: [] });
  useEffect(() => followSummary(summary, past), []);
  const told = summary.value;
  if (!told) return html`<div class="tiles" aria-busy="true"></div>`;
  return html`<div class="tiles">
    <${Tile} name="Waiting" value=${count(told.waiting)}
      chart=${html`<${Sparkline} values=${past.value.waiting} label=${`Waiting in the last two minutes: at most ${Math.max(0, ...past.value.waiting)}`} />`}>
      ${oldest(told)}
    <//>
    <${Tile} name="Running" value=${count(told.running)}
      chart=${html`<${Sparkline} values=${past.value.rates} label=${`Rate in the last two minutes: at most ${rate(Math.max(0, ...past.value.rates))}`} />`}>
      ${pace(told, past.value.rates.at(-1))}
    <//>
    <${Tile} name="Failed today" value=${count(told.failed)} tone=${told.failed ? "failed" : ""}>
      ${told.failed > 0 ? html`<a href=${page("/jobs?state=failed&finished=today")}>show them</a>` : "none"}
    <//>
    <${Tile} name="Moved today" value=${size(told.bytes)}>${count(told.finished)} finished<//>
  </div>`;
}

function pace({ places }, current) {
  if (places === 0) return "no worker is there";
  return current > 0 ? rate(current) : "nothing moves";
}

function oldest({ waiting, oldest_waiting_since: since }) {
  if (!since) return waiting > 0 ? "none is due yet" : "nothing waits";
  return `oldest: ${duration(Math.max(0, Math.floor((now.value - Date.parse(since)) / 1000)))}`;
}

/** Ask again when jobs have moved. Nothing moves, or nobody looks: nothing is asked. */
function followSummary(summary, past) {
  const running = new Map(); // of each running job, its rate
  let isDue = false;
  const load = async () => {
    isDue = document.hidden;
    if (!isDue) summary.value = await loadSummary(midnight()).catch(() => summary.value);
  };
  const loads = paced(load, PAUSE);
  const stop = onEvent((event) => {
    if (jobIdOf(event) === null) return;
    note(running, event);
    if (!event.type?.includes(".progress.")) loads.ask();
  });
  const timer = setInterval(() => {
    keep(past, summary.value, running);
    if (isDue) loads.ask();
  }, PAUSE);
  loads.ask();
  return () => {
    clearInterval(timer);
    loads.stop();
    stop();
  };
}

function note(running, event) {
  const { job, progress } = event.data;
  if (job.state === "running") running.set(job.id, progress?.rate_bytes_per_second ?? 0);
  if (ENDED.has(job.state) || job.state === "queued") running.delete(job.id);
}

function keep(past, told, running) {
  if (!told) return;
  const sum = [...running.values()].reduce((all, each) => all + each, 0);
  const add = (values, value) => [...values, value].slice(-POINTS);
  past.value = { waiting: add(past.value.waiting, told.waiting), rates: add(past.value.rates, sum) };
}
