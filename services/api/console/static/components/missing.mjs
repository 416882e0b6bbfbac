// What is shown where there is no page, no project, or no server.
import { html } from "../html.mjs";
import { useLoaded } from "../loading.mjs";
import { page } from "../place.mjs";
import { mayImportInto, partsOf } from "../project-path.mjs";
import { Page } from "./page.mjs";
import { Command, Notice } from "./small.mjs";

export function Missing() {
  return html`<${Page} title="No such page">
    <p>The console has no page at this address. It may be mistyped, or of another version.</p>
    <${Onward} />
  <//>`;
}

export function MissingProject({ path }) {
  const [namespace, last] = partsOf(path);
  return html`<${Page} title="No such project" heading="No such project">
    <p>There is no project <code>${path}</code>, or you may not see it. It may have been moved, renamed or deleted.</p>
    <${Onward} projects=${page(`/projects?search=${encodeURIComponent(last)}`)} />
    <${Make} namespace=${namespace} path=${path} />
  <//>`;
}

function Make({ namespace, path }) {
  const { value: mayImport } = useLoaded((signal) => mayImportInto(namespace, { signal }), [namespace]);
  if (!mayImport) return null;
  return html`<h2>Make it</h2>
    <p>You may import into ${namespace}. Make the project from an archive:</p>
    <${Command}>crossdock import project_export.tar.gz --path ${path}<//>`;
}

/** Where somebody may go on; `projects` is a list that may have what was looked for. */
function Onward({ projects = page("/projects") }) {
  return html`<ul>
    <li><a href=${projects}>Look for it among the projects</a></li>
    <li><a href=${page("/jobs")}>See what runs: all jobs</a></li>
    <li><a href=${page("/import")}>Import a project</a></li>
  </ul>`;
}

export function Unreachable({ problem }) {
  return html`<${Page} title="The server does not answer">
    <${Notice} tone="error">${problem.message}<//>
    <button type="button" onClick=${() => location.reload()}>Try again</button>
  <//>`;
}
