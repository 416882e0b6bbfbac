// A button that asks for an export, says that it is being made, and then leads to it.
import { onDownload } from "../downloads.mjs";
import { html } from "../html.mjs";
import { sendForJob } from "../http.mjs";
import { tellOutcome } from "../outcomes.mjs";
import { elsewhere, gitlab } from "../place.mjs";
import { canWrite, user } from "../session.mjs";
import { ENDED } from "../words.mjs";
import { Act } from "./actions.mjs";

/** `project` is our own document of it; `done` loads that anew. */
export function ExportButton({ project, done }) {
  const { id, path_with_namespace: path, last_export: last, download_url: address, empty } = project;
  const isOnItsWay = last && !ENDED.has(last.state) && last.username === user.value.username; // others' exports are theirs
  const act = async () => {
    const job = await sendForJob(gitlab(`/projects/${id}/export`));
    if (job) tellOutcome(job, `Export of ${path}`);
    done();
  };
  return html`<div class="row">
    ${address && html`<a role="button" class="outline" href=${elsewhere(address)} download onClick=${onDownload} aria-label="Download the export: ${path}">Download</a>`}
    ${canWrite.value && !empty && (isOnItsWay
      ? html`<button type="button" class="outline" disabled aria-busy="true">Exporting</button>`
      : html`<${Act} act=${act} label="Export now: ${path}">Export now<//>`)}
  </div>`;
}
