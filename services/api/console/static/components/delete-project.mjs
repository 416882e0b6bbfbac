// Deleting a project, for its owners and for administrators.
import { size } from "../format.mjs";
import { html } from "../html.mjs";
import { send } from "../http.mjs";
import { gitlab } from "../place.mjs";
import { OWNER } from "../project-path.mjs";
import { go } from "../router.mjs";
import { canWrite } from "../session.mjs";
import { toast } from "../toasts.mjs";
import { Ask } from "./actions.mjs";
import { DangerZone, DeleteByPath } from "./danger-zone.mjs";

/** Whether the reader may delete a project, of which there is our own document. */
export const mayDelete = (project) => canWrite.value && project.access_level >= OWNER;

/** A button; an empty project goes after a question, any other one only when its path is typed. */
export function DeleteProject({ project }) {
  if (!mayDelete(project)) return null;
  const act = async () => {
    await send("DELETE", gitlab(`/projects/${project.id}`));
    toast(`${project.path_with_namespace} is deleted.`);
    go("/projects");
  };
  return project.empty ? html`<${OfEmpty} project=${project} act=${act} />` : html`<${OfFull} project=${project} act=${act} />`;
}

function OfEmpty({ project, act }) {
  return html`<${Ask} name="Delete the empty project" title="Delete this project?" yes="Delete it" danger act=${act}>
    <p>${project.path_with_namespace} has nothing in it. Its path is free for another import then; its jobs, members and webhooks go with it.</p>
  <//>`;
}

function OfFull({ project, act }) {
  return html`<${DeleteByPath} what="project" path=${project.path_with_namespace} act=${act}>
    <ul>
      <li>its content${project.size_bytes !== null && ` (${size(project.size_bytes)})`}, with the refused lines that are kept to be repaired</li>
      <li>all exports of it, whoever made them, and the snapshots that other systems are sending</li>
      <li>its jobs: those that wait or run are canceled</li>
      <li>its members and webhooks</li>
    </ul>
  <//>`;
}

/** The end of a project's page. */
export function DeleteZone({ project }) {
  if (!mayDelete(project)) return null;
  return html`<${DangerZone} what="project">
    <p>Nobody can bring it back. Export it first where you may need it again.</p>
    <${DeleteProject} project=${project} />
  <//>`;
}
