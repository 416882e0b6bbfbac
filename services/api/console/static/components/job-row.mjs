// A job in a list, and what may be done with it.
import { html } from "../html.mjs";
import { canWrite } from "../session.mjs";
import { canCancel, canRetry } from "../jobs.mjs";
import { page } from "../place.mjs";
import { kindWord } from "../words.mjs";
import { CancelButton, RetryButton } from "./job-actions.mjs";
import { JobProgress } from "./job-progress.mjs";
import { Ago, State } from "./small.mjs";

/** `row` is the signal of a job: an event draws this row alone. */
export function JobRow({ row }) {
  const job = row.value;
  const update = (changed) => (row.value = changed);
  return html`<tr data-row>
    <td class="state-cell"><${State} state=${job.state} /></td>
    <td class="project"><a href=${page(`/jobs/${job.id}`)}>${job.project.path_with_namespace}</a><small>${aboutJob(job)}</small></td>
    <td class="grow"><${JobProgress} job=${job} /></td>
    <td class="when"><${Ago} at=${job.finished_at ?? job.started_at ?? job.created_at} /></td>
    <td class="actions">
      ${canWrite.value && canCancel(job) && html`<${CancelButton} job=${job} update=${update} />`}
      ${canWrite.value && !canCancel(job) && canRetry(job) && html`<${RetryButton} job=${job} />`}
    </td>
  </tr>`;
}

/** The kind of a job, who asked for it, its id, and its attempt where that is not the first. */
export function aboutJob(job) {
  const who = job.user?.username ? ` by ${job.user.username}` : "";
  const attempt = job.attempt > 1 ? ` · attempt ${job.attempt} of ${job.max_attempts}` : "";
  return `${kindWord(job.kind)}${who} · job ${job.id}${attempt}`;
}
