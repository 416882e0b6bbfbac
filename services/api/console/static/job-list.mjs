// The list of jobs on the home page: loaded by parts, then kept up by events.
import { batch, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { announce } from "./announce.mjs";
import { isNews, jobIdOf, loadJob, loadJobs, merged } from "./jobs.mjs";
import { connection, onEvent } from "./live.mjs";
import { isAsked } from "./outcomes.mjs";
import { paced } from "./paced.mjs";
import { ENDED, kindWord, STATES } from "./words.mjs";

const PART = 50;
const MOST = 200; // rows, when new ones come in by themselves; behind that the newest part stays
const PAUSE = 1000; // between looks for new jobs and at those that have ended, where these are many
const TOP = 240; // pixels from the top within which somebody sees new jobs come

/** Use the list for filters, which are a signal of a query. */
export function useJobList(filters) {
  const list = useMemo(() => new JobList(), []);
  useEffect(() => list.begin(filters.value), [filters.value]);
  return list;
}

class JobList {
  rows = signal(null); // [{id, job: signal}], the newest first
  next = signal(null);
  problem = signal(null);
  busy = signal(false);
  fresh = signal(0);

  constructor() {
    this.more = () => this.loadMore();
    this.showFresh = () => this.load().then(() => scrollTo({ top: 0 }));
  }

  /** Load anew, and follow. Gives the function that ends that. */
  begin(filters) {
    this.filters = filters;
    this.aborted = new AbortController();
    this.news = new Set();
    this.ended = new Set();
    this.looks = paced(() => this.look(), PAUSE);
    const stops = [onEvent((event) => this.hear(event)), this.loadWhenBack(), this.looks.stop];
    this.load();
    return () => {
      this.aborted.abort();
      stops.forEach((stop) => stop());
    };
  }

  /** Whoever was cut off has missed events: the list is loaded anew when the stream is back. */
  loadWhenBack() {
    let wasLost = false;
    return connection.subscribe(({ state }) => {
      if (wasLost && state === "live") this.load();
      wasLost = state === "lost" || state === "crowded";
    });
  }

  async load() {
    this.news.clear(); // a job that comes while this is asked may be missing in the answer
    const part = await this.part(null);
    if (!part) return;
    batch(() => {
      this.rows.value = part.items.map((job) => this.rowOf(job));
      this.next.value = part.next;
      this.fresh.value = 0;
    });
  }

  async loadMore() {
    this.busy.value = true;
    const part = await this.part(this.next.value);
    this.busy.value = false;
    if (!part) return;
    this.rows.value = [...this.rows.value, ...part.items.map((job) => this.rowOf(job))];
    this.next.value = part.next;
  }

  async part(cursor) {
    try {
      const part = await loadJobs(this.filters, { cursor, size: PART, signal: this.aborted.signal });
      this.problem.value = null;
      return part;
    } catch (problem) {
      if (problem.name !== "AbortError") this.problem.value = problem;
      return null;
    }
  }

  rowOf(job) {
    const shown = this.find(job.id);
    if (shown) shown.job.value = job;
    return shown ?? { id: job.id, job: signal(job) };
  }

  find(id) {
    return this.rows.value?.find((row) => row.id === id);
  }

  hear(event) {
    const id = jobIdOf(event);
    if (id === null || this.rows.value === null) return;
    const row = this.find(id);
    if (!row) {
      this.hearOfAnother(id, event);
      return;
    }
    const before = row.job.value;
    if (!isNews(before, event)) return;
    row.job.value = merged(before, event);
    if (!ENDED.has(before.state) && ENDED.has(row.job.value.state)) this.hearOfEnd(row);
  }

  /** What an end brings with it, such as whether a retry may help, is in the job and not in its event. */
  hearOfEnd({ id, job }) {
    const { kind, project, state } = job.value;
    if (!isAsked(id)) announce(`The ${kindWord(kind)} of ${project.path_with_namespace} is ${STATES[state].word}.`);
    this.ended.add(id);
    this.looks.ask();
  }

  hearOfAnother(id, event) {
    if (event.type?.includes(".progress.")) return; // it moves, but comes into no list by that
    this.news.add(id);
    while (this.news.size > PART) this.news.delete(this.news.values().next().value);
    this.looks.ask();
  }

  async look() {
    const ended = [...this.ended].slice(0, PART);
    this.ended.clear();
    await Promise.all(ended.map((id) => this.refresh(id)));
    if (this.news.size) await this.lookForNew();
  }

  async refresh(id) {
    const job = await loadJob(id).catch(() => null); // it went with its project: its last event stands
    const row = this.find(id);
    if (job && row) row.job.value = job;
  }

  async lookForNew() {
    this.news.clear();
    const part = await this.part(null);
    if (!part) return;
    const found = part.items.filter((job) => !this.find(job.id));
    if (scrollY > TOP) {
      this.fresh.value = found.length;
      return;
    }
    batch(() => {
      this.fresh.value = 0;
      this.add(found, part);
    });
  }

  add(found, part) {
    const all = [...found.map((job) => this.rowOf(job)), ...this.rows.value];
    if (all.length <= MOST) {
      this.rows.value = all.sort((one, other) => other.id - one.id);
      return;
    }
    this.rows.value = part.items.map((job) => this.rowOf(job));
    this.next.value = part.next;
  }
}
