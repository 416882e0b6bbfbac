// What one may do after an import that failed or was canceled: its project is there, and has nothing in it.
import { html } from "../html.mjs";
import { canRetry } from "../jobs.mjs";
import { useLoaded } from "../loading.mjs";
import { page } from "../place.mjs";
import { partsOf, projectAt } from "../project-path.mjs";
import { go } from "../router.mjs";
import { canWrite } from "../session.mjs";
import { DeleteProject } from "./delete-project.mjs";
import { RetryButton } from "./job-actions.mjs";

const STAND_IN = /-[0-9a-f]{32}$/; // ends the path of a project that is to take the place of another

/** Whether a job is an import that ended without effect. */
export const isVainImport = (job) => job.kind === "import" && (job.state === "failed" || job.state === "canceled");

/** The empty project that an import has left, while that is its last one; null otherwise. */
export function useLeftEmpty(job) {
  const find = async (signal) => {
    if (!isVainImport(job)) return null;
    const project = await projectAt(...partsOf(job.project.path_with_namespace), { signal });
    return project?.empty && project.last_import?.id === job.id ? project : null;
  };
  return useLoaded(find, [job.id, job.state]).value;
}

/** Buttons; `project` is null where nothing is left of the import. */
export function AfterImport({ job, project }) {
  if (!canWrite.value) return null;
  return html`<div class="row" data-actions>
    ${canRetry(job) && html`<${RetryButton} job=${job} done=${(made) => go(`/jobs/${made.id}`)} />`}
    ${project && html`<a role="button" class="outline" href=${importInto(project.path_with_namespace)}>Import another file</a>
      <${DeleteProject} project=${project} />`}
  </div>`;
}

/** The page of imports, filled in for what takes the place of a project. */
export function importInto(path) {
  const [namespace, last] = partsOf(path);
  return page(`/import?${new URLSearchParams({ namespace, path: last.replace(STAND_IN, ""), replace: "yes" })}`);
}
