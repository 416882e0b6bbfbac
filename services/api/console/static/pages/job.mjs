// One job: how far it is, what is in it, what was left out, and what happened.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { AfterImport, isVainImport, useLeftEmpty } from "../components/after-import.mjs";
import { Ended } from "../components/failure.mjs";
import { Attempts } from "../components/job-attempts.mjs";
import { CancelButton, RetryButton } from "../components/job-actions.mjs";
import { Failures } from "../components/job-failures.mjs";
import { JobPace } from "../components/job-progress.mjs";
import { Relations } from "../components/job-relations.mjs";
import { Steps } from "../components/job-steps.mjs";
import { Timeline } from "../components/job-timeline.mjs";
import { Page } from "../components/page.mjs";
import { Ago, Command, Copy, Facts, Notice, State } from "../components/small.mjs";
import { announce } from "../announce.mjs";
import { onDownload } from "../downloads.mjs";
import { count, duration, moment, shortDigest, size } from "../format.mjs";
import { html } from "../html.mjs";
import { canCancel, canRetry, isNews, jobIdOf, loadJob, merged } from "../jobs.mjs";
import { onEvent } from "../live.mjs";
import { elsewhere, page, projectPage } from "../place.mjs";
import { go } from "../router.mjs";
import { canWrite } from "../session.mjs";
import { ENDED, STATES, titleOf } from "../words.mjs";

export default function Job({ id }) {
  const job = useSignal(null);
  const problem = useSignal(null);
  useEffect(() => followJob(Number(id), job, problem), [id]);
  if (problem.value) return html`<${NotShown} id=${id} problem=${problem.value} />`;
  if (!job.value) return html`<${Page} title="Job ${id}"><p class="quiet" aria-busy="true">Loading the job</p><//>`;
  return html`<${Shown} job=${job.value} update=${(changed) => (job.value = changed)} />`;
}

function NotShown({ id, problem }) {
  const words = problem.status === 404 ? "There is no such job, or it is of a project that you do not maintain." : problem.message;
  return html`<${Page} title="Job ${id}"><${Notice} tone="error">${words} <a href=${page("/jobs")}>All jobs</a><//><//>`;
}

function Shown({ job, update }) {
  const left = useLeftEmpty(job);
  const title = `${titleOf(job.kind)} of ${job.project.path_with_namespace}`;
  const heading = html`${titleOf(job.kind)} of <a href=${projectPage(job.project.path_with_namespace)}>${job.project.path_with_namespace}</a> <${State} state=${job.state} />`;
  return html`<${Page} title=${title} heading=${heading} beside=${html`<${Actions} job=${job} update=${update} />`}>
    <p class="quiet">${asked(job)}</p>
    ${(job.state === "failed" || isVainImport(job)) && html`<${Ended} job=${job}>
      ${isVainImport(job) && html`<${AfterImport} job=${job} project=${left} />`}
    <//>`}
    <${Steps} job=${job} />
    ${!ENDED.has(job.state) && html`<${JobPace} job=${job} />`}
    <div class="columns">
      <div>
        <${Relations} job=${job} />
        <${Failures} job=${job} />
        <${Attempts} job=${job} />
        <h2>What happened</h2>
        <${Timeline} id=${job.id} />
      </div>
      <div>
        <h2>Details</h2>
        <${Details} job=${job} />
        <${Upload} job=${job} />
        <h2>Read its log by command</h2>
        <${Command}>crossdock logs ${job.id}${ENDED.has(job.state) ? "" : " --follow"}<//>
      </div>
    </div>
  <//>`;
}

function Actions({ job, update }) {
  return html`<div data-actions class="row">
    ${job.archive?.download_url && html`<a role="button" href=${elsewhere(job.archive.download_url)} download onClick=${onDownload}>Download</a>`}
    ${canWrite.value && canCancel(job) && html`<${CancelButton} job=${job} update=${update} />`}
    ${canWrite.value && !canCancel(job) && canRetry(job) && !isVainImport(job) && html`<${RetryButton} job=${job} done=${(made) => go(`/jobs/${made.id}`)} />`}
  </div>`;
}

function asked(job) {
  const who = job.user?.username ? `${job.user.username} asked for it` : "Asked for";
  const waited = job.timings?.waited_seconds;
  const worker = job.lease?.worker ? ` on worker ${job.lease.worker}` : "";
  const attempt = job.attempt ? ` Attempt ${job.attempt} of ${job.max_attempts}${worker}.` : "";
  return html`Job ${job.id}. ${who} <${Ago} at=${job.created_at} />.${waited != null && ` It waited ${duration(waited)}.`}${attempt}
    ${job.canceled_by && ` Canceled by ${job.canceled_by.username}.`}
    ${job.retry_of && html` A retry of ${linkTo(job.retry_of)}.`}${job.retried_by && html` Retried as ${linkTo(job.retried_by)}.`}`;
}

const linkTo = (id) => html`<a href=${page(`/jobs/${id}`)}>job ${id}</a>`;

function Details({ job }) {
  const { archive = null } = job;
  return html`<${Facts} facts=${[
    ["Archive", archive?.size != null && size(archive.size)],
    ["Its SHA-256", archive?.sha256 && digest(archive.sha256, "the digest of the archive")],
    ["Content digest", job.content_sha256 && digest(job.content_sha256, "the digest of the content")],
    ["Manifest digest", archive?.manifest_sha256 && digest(archive.manifest_sha256, "the digest of the manifest")],
    ["Kept until", archive?.expires_at && moment(archive.expires_at)],
    ["Retry until", job.retry_until && moment(job.retry_until)],
    ["Correlation id", job.correlation_id && digest(job.correlation_id, "the correlation id")],
    ["Lease", job.lease && `number ${job.lease.number}, until ${moment(job.lease.expires_at)}`],
  ].filter(([, value]) => value)} />`;
}

const digest = (hex, what) => html`<code title=${hex}>${shortDigest(hex)}</code> <${Copy} text=${hex} what=${what} />`;

function Upload({ job }) {
  const upload = job.outcome?.upload;
  if (!upload) return null;
  const { url, status, attempts, bytes, error } = upload;
  return html`<h2>Upload</h2><${Facts} facts=${[
    ["To", url],
    ["Answer", status && `HTTP ${status}`],
    ["Requests", attempts && count(attempts)],
    ["Sent", bytes !== null && size(bytes)],
    ["Error", error],
  ].filter(([, value]) => value)} />`;
}

function followJob(id, job, problem) {
  const load = async () => {
    try {
      job.value = await loadJob(id);
      problem.value = null;
    } catch (error) {
      if (!job.value) problem.value = error;
    }
  };
  job.value = null; // the page of a job leads to that of its retry
  load();
  return onEvent((event) => {
    if (event.data?.job?.retry_of === id) load(); // which then tells how it was retried
    const before = job.value;
    if (jobIdOf(event) !== id || before === null || !isNews(before, event)) return;
    job.value = merged(before, event);
    if (job.value.state === before.state) return;
    if (ENDED.has(job.value.state)) announce(`The job is ${STATES[job.value.state].word}.`);
    load(); // relations, archive and what may be done now are in the job
  });
}
