// Buttons that cancel and retry a job, each with a question first.
import { useState } from "preact/hooks";
import { moment } from "../format.mjs";
import { html } from "../html.mjs";
import { cancelJob, retryJob } from "../jobs.mjs";
import { tellOutcome } from "../outcomes.mjs";
import { toast } from "../toasts.mjs";
import { kindWord, titleOf } from "../words.mjs";
import { Question } from "./dialog.mjs";

/** `update` gets the job as it is afterwards. */
export function CancelButton({ job, update }) {
  const [asks, setAsks] = useState(false);
  const act = async () => {
    update(await cancelJob(job.id));
    toast(`Job ${job.id} is canceled.`);
  };
  return html`
    <button type="button" class="outline" data-action="cancel" aria-label="Cancel job ${job.id}" onClick=${() => setAsks(true)}>Cancel</button>
    ${asks &&
    html`<${Question} title="Cancel this ${kindWord(job.kind)}?" yes="Cancel the job" danger act=${act} close=${() => setAsks(false)}>
      <p>${nameOf(job)} stops, and has no effect.${isImport(job) && " What was sent is kept for a day: a retry needs nothing more."}</p>
    <//>`}
  `;
}

/** One is told how the new job ends; `done` gets it. */
export function RetryButton({ job, done = null }) {
  const [asks, setAsks] = useState(false);
  const act = async () => {
    const made = await retryJob(job.id);
    tellOutcome(made.id, `${titleOf(job.kind)} of ${job.project.path_with_namespace}`);
    done?.(made);
  };
  return html`
    <button type="button" class="outline" data-action="retry" aria-label="Retry job ${job.id}" onClick=${() => setAsks(true)}>Retry</button>
    ${asks &&
    html`<${Question} title="Retry job ${job.id}?" yes="Retry" act=${act} close=${() => setAsks(false)}>
      <p>A new job does again what job ${job.id} did, for ${job.project.path_with_namespace}.${job.retry_until && ` What it needs is kept until ${moment(job.retry_until)}: nothing has to be sent again.`}</p>
    <//>`}
  `;
}

const isImport = (job) => job.kind === "import" || job.kind === "relation_import";
const nameOf = (job) => `Job ${job.id}, the ${kindWord(job.kind)} of ${job.project.path_with_namespace},`;
