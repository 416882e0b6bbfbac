// Deleting a project, for its owners and for administrators.
import { size } from "../format.mjs";
import { html } from "../html.mjs";
import { Problem, send } from "../http.mjs";
import { gitlab } from "../place.mjs";
import { go } from "../router.mjs";
import { canWrite } from "../session.mjs";
import { toast } from "../toasts.mjs";
import { Ask, Field, FormButton } from "./actions.mjs";

const OWNER = 50;

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
  const path = project.path_with_namespace;
  const checked = async (form) => {
    if (form.get("typed").trim() !== path) throw new Problem(`This is not the path. Type ${path}, or cancel.`);
    await act();
  };
  return html`<${FormButton} name="Delete the project" title="Delete this project?" yes="Delete it" danger act=${checked}>
    <p>This cannot be undone. With <strong>${path}</strong> go:</p>
    <ul>
      <li>its content${project.size_bytes !== null && ` (${size(project.size_bytes)})`}, with the refused lines that are kept to be repaired</li>
      <li>all exports of it, whoever made them, and the snapshots that other systems are sending</li>
      <li>its jobs: those that wait or run are canceled</li>
      <li>its members and webhooks</li>
    </ul>
    <p>Files that were downloaded, and backups in buckets, stay.</p>
    <${Field} name="typed" label="Type the path to confirm" required data-first autocomplete="off" spellcheck="false" />
  <//>`;
}

/** The end of a project's page. */
export function DangerZone({ project }) {
  if (!mayDelete(project)) return null;
  return html`<section class="danger-zone" aria-labelledby="danger-zone">
    <h2 id="danger-zone">Delete this project</h2>
    <div class="row">
      <p>Nobody can bring it back. Export it first where you may need it again.</p>
      <${DeleteProject} project=${project} />
    </div>
  </section>`;
}
