// Why a job ended without effect: what happened, what it means, what to do, and the code. It stands on a page once.
import { html } from "../html.mjs";
import { problem as problemPage } from "../place.mjs";
import { explain } from "../words.mjs";
import { Lines, Notice } from "./small.mjs";

const SAME = "retry_pointless"; // whose sentence has the error once more

/** `of` begins it: what ended; `children` are what one may do about it. */
export function Ended({ job, of = null, children }) {
  if (job.state === "failed") return html`<${Failed} job=${job} of=${of}>${children}<//>`;
  return html`<${Notice} tone="warning"><p><strong>${of} ${of ? "was canceled" : "Canceled"}.</strong> It had no effect.</p>${children}<//>`;
}

function Failed({ job, of, children }) {
  const { means, act, detail } = explain(job.error_code, job.error);
  const refusal = job.why_not_retry;
  const cannot = refusal && refusal.code !== SAME && refusal.message;
  return html`<${Notice} tone="error">
    <p><strong>${of} ${of ? "failed" : "Failed"}.</strong> ${means}</p>
    ${act && html`<p><strong>Do this:</strong> ${act}</p>`}
    ${detail && html`<div class="quiet">In the words of the server: <${Lines} text=${detail} /></div>`}
    ${cannot && html`<p>It cannot be retried: ${cannot}.</p>`}
    ${job.error_code && html`<p><a href=${problemPage(job.error_code)} target="_blank" rel="noopener">${job.error_code}</a></p>`}
    ${children}
  <//>`;
}
