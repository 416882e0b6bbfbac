// Import a project: from a file, an address, a bucket or GitHub.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Field } from "../components/actions.mjs";
import { FileSource } from "../components/import-file.mjs";
import { Limits } from "../components/import-limits.mjs";
import { Target } from "../components/import-target.mjs";
import { Page } from "../components/page.mjs";
import { Notice } from "../components/small.mjs";
import { Tabs } from "../components/tabs.mjs";
import { html } from "../html.mjs";
import { sendForJob } from "../http.mjs";
import { gitlab, own, page } from "../place.mjs";
import { go, query, setQuery } from "../router.mjs";
import { canWrite } from "../session.mjs";

const SOURCES = [
  { id: "file", name: "A file", view: FileSource, address: own("/imports"), fields: [] },
  { id: "url", name: "An address", view: UrlSource, address: gitlab("/projects/remote-import"), fields: ["url"] },
  { id: "s3", name: "S3", view: S3Source, address: gitlab("/projects/remote-import-s3"),
    fields: ["region", "bucket_name", "file_key", "access_key_id", "secret_access_key"] },
  { id: "github", name: "GitHub", view: GitHubSource, address: gitlab("/import/github"), fields: ["personal_access_token", "repo_id"] },
];

export default function Import() {
  const chosen = SOURCES.find((each) => each.id === query.value.get("from")) ?? SOURCES[0];
  const upload = useSignal(null);
  const state = useSignal({ busy: false, problem: null });
  useEffect(() => () => upload.value?.pause?.(), []);
  if (!canWrite.value) return html`<${Page} title="Import a project"><${MayNot} /><//>`;
  const submit = (event) => {
    event.preventDefault();
    begin(new FormData(event.target), chosen, upload, state);
  };
  return html`<${Page} title="Import a project">
    <${Tabs} label="Where the project comes from" tabs=${SOURCES} chosen=${chosen.id} choose=${(id) => setQuery({ from: id === "file" ? null : id })} />
    <form class="columns" onSubmit=${submit}>
      <div role="tabpanel" id="panel-${chosen.id}" aria-labelledby="tab-${chosen.id}"><${chosen.view} upload=${upload} /></div>
      <div>
        <${Target} source=${chosen.id} name=${upload.value?.file.name} />
        ${state.value.problem && html`<${Notice} tone="error">${state.value.problem}<//>`}
        <${Submit} source=${chosen.id} upload=${upload} busy=${state.value.busy} />
        <${Limits} source=${chosen.id} />
      </div>
    </form>
  <//>`;
}

function MayNot() {
  return html`<${Notice} tone="warning">You have signed in by a token that may only look (read_api). Sign in by one with the scope api to import.<//>`;
}

function Submit({ source, upload, busy }) {
  const isUploading = source === "file" && upload.value && upload.value.state.value !== "done";
  const words = busy && isUploading ? "Imports when uploaded" : isUploading ? "Import when uploaded" : "Import";
  return html`<button type="submit" aria-busy=${busy} disabled=${busy || (source === "file" && !upload.value)}>${words}</button>`;
}

async function begin(form, source, upload, state) {
  state.value = { busy: true, problem: null };
  try {
    const id = await sendForJob(source.address, await requestOf(form, source, upload.value));
    upload.value = null;
    go(id ? `/jobs/${id}` : "/jobs");
  } catch (problem) {
    state.value = { busy: false, problem: problem.message };
  }
}

/** The body of the request. That for GitHub has other names for the same things. */
async function requestOf(form, source, upload) {
  const given = Object.fromEntries(source.fields.map((name) => [name, form.get(name).trim()]));
  const people = (await form.get("people").text()).trim();
  const more = people ? { people } : {};
  if (source.id === "github") return { ...given, ...more, target_namespace: form.get("namespace"), new_name: form.get("path") };
  if (source.id === "file") given.upload_id = await upload.ended;
  return { ...given, ...more, path: form.get("path"), namespace: form.get("namespace"), overwrite: form.get("overwrite") === "on" };
}

function UrlSource() {
  return html`
    <${Field} label="Address of the archive" name="url" type="url" required placeholder="https://example.com/project_export.tar.gz"
      help="The server fetches it itself. It has to be https, and to tell its length." />`;
}

function S3Source() {
  return html`
    <${Field} label="Region" name="region" required placeholder="eu-central-1" />
    <${Field} label="Bucket" name="bucket_name" required />
    <${Field} label="Name of the object" name="file_key" required placeholder="exports/project_export.tar.gz" />
    <${Field} label="Access key id" name="access_key_id" required />
    <${Field} label="Secret access key" name="secret_access_key" type="password" required help="It is kept, sealed, until the job has ended." />`;
}

function GitHubSource() {
  return html`
    <${Field} label="Personal access token of GitHub" name="personal_access_token" type="password" required
      help="With the scope repo. It is kept, sealed, until the job has ended." />
    <${Field} label="Number of the repository" name="repo_id" type="number" min="1" required
      help=${html`GitHub tells it at <code>api.github.com/repos/OWNER/NAME</code>, as <code>id</code>.`} />
    <p class="quiet">Issues, pull requests, comments, labels, milestones, releases, the wiki and the repository come along.
      <a href=${page("/jobs")}>The job</a> waits by itself where GitHub takes no more requests.</p>`;
}
