// Jobs that are on the screen. Each is a signal of its own, so that an event changes one row and nothing else.
import { signal } from "@preact/signals";
import { get, getPart, send } from "./http.mjs";
import { own } from "./place.mjs";
import { ENDED } from "./words.mjs";

/** Give the signal of a job. */
export const rowOf = (job) => signal(job);

/** Load a part of the list: {items, next, headers}. */
export function loadJobs(filters, { cursor = null, size = 50, signal: aborted } = {}) {
  const query = new URLSearchParams(filters);
  query.set("per_page", size);
  if (cursor) query.set("cursor", cursor);
  return getPart(own(`/jobs?${query}`), { signal: aborted });
}

export const loadJob = (id) => get(own(`/jobs/${id}`));
export const loadSummary = (since) => get(own(`/jobs/summary?since=${encodeURIComponent(since)}`));
export const cancelJob = (id) => send("POST", own(`/jobs/${id}/cancel`));
export const retryJob = (id) => send("POST", own(`/jobs/${id}/retry`));

/** The job that an event is of: its id, or null for events of anything else. */
export const jobIdOf = (event) => event.data?.job?.id ?? null;

/** Whether an event is news of a job, and not older than what is shown. */
export function isNews(job, event) {
  return !(job.last_event_id && isStored(event) && Number(event.id) <= job.last_event_id);
}

const isStored = (event) => /^\d+$/.test(event.id ?? "");

/** A job with what an event tells of it. */
export function merged(job, event) {
  const { job: told, progress, error, error_code: code, archive, content_sha256: content, failures } = event.data;
  const phases = progress?.phases ?? job.timings?.phases ?? [];
  return {
    ...job,
    ...told,
    started_at: job.started_at ?? (told.state === "running" ? event.time : null),
    finished_at: ENDED.has(told.state) ? (job.finished_at ?? event.time) : null,
    phase: told.state === "running" ? (phases.at(-1)?.name ?? job.phase) : null,
    position: told.state === "queued" ? job.position : null,
    progress: { ...(told.attempt === job.attempt ? job.progress : {}), ...progress },
    timings: { ...job.timings, phases, ran_seconds: null }, // no event tells for how long it ran
    archive: archive ?? job.archive,
    content_sha256: content ?? job.content_sha256,
    failures_count: failures ?? job.failures_count,
    error: error ?? (told.state === "failed" ? job.error : null),
    error_code: code ?? (told.state === "failed" ? job.error_code : null),
    last_event_id: isStored(event) ? Number(event.id) : job.last_event_id,
  };
}

/** Whether somebody may cancel a job: it has not ended. */
export const canCancel = (job) => !ENDED.has(job.state);

/** Whether a retry can help. A server that does not say so lets failed and canceled jobs be retried. */
export const canRetry = (job) => job.can_retry ?? ["failed", "canceled"].includes(job.state);

/** The rate and the time left, of the last seconds where the server tells that. */
export function paceOf({ progress = {} }) {
  return {
    rate: progress.rate_bytes_per_second ?? progress.bytes_per_second ?? null,
    left: progress.seconds_left ?? progress.remaining_seconds ?? null,
  };
}

/** The lines of all relations that were kept, and those that were left out. */
export function linesOf({ progress = {} }) {
  const counts = Object.values(progress.relations ?? {});
  return {
    kept: counts.reduce((sum, each) => sum + each.lines, 0),
    leftOut: counts.reduce((sum, each) => sum + each.failed, 0),
  };
}
