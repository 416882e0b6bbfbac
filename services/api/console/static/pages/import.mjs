// Import a project: from a file, an address, a bucket or GitHub.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { FileSource } from "../components/import-file.mjs";
import { NOBODY, People, peopleGiven } from "../components/import-people.mjs";
import { Limits } from "../components/import-limits.mjs";
import { GitHubSource, S3Source, UrlSource } from "../components/import-sources.mjs";
import { Target } from "../components/import-target.mjs";
import { Page } from "../components/page.mjs";
import { Notice } from "../components/small.mjs";
import { Tabs } from "../components/tabs.mjs";
import { html } from "../html.mjs";
import { get, Problem, sendForJob } from "../http.mjs";
import { refusalOf } from "../import-refusals.mjs";
import { useLoaded } from "../loading.mjs";
import { gitlab, own } from "../place.mjs";
import { projectAt } from "../project-path.mjs";
import { go, query, setQuery } from "../router.mjs";
import { canWrite } from "../session.mjs";
import { Removed } from "../upload.mjs";

const SOURCES = [
  { id: "file", name: "A file", view: FileSource, address: own("/imports"), fields: [] },
  { id: "url", name: "An address", view: UrlSource, address: own("/imports"), fields: ["url"] },
  { id: "s3", name: "S3", view: S3Source, address: gitlab("/projects/remote-import-s3"),
    fields: ["region", "bucket_name", "file_key", "access_key_id", "secret_access_key"] },
  { id: "github", name: "GitHub", view: GitHubSource, address: own("/imports"),
    fields: ["personal_access_token", "repository", "github_hostname"] },
];
const TARGET = ["namespace", "path", "people"];

export default function Import() {
  const chosen = SOURCES.find((each) => each.id === query.value.get("from")) ?? SOURCES[0];
  const upload = useSignal(null);
  const taken = useSignal(null);
  const guessed = useSignal(null);
  const people = useSignal(NOBODY);
  const state = useSignal(REST);
  const limits = useLoaded((signal) => get(own("/limits"), { signal })).value;
  useEffect(() => () => upload.value?.pause(), []);
  useEffect(() => {
    if (!state.value.busy) state.value = REST;
  }, [chosen.id, upload.value]);
  if (!canWrite.value) return html`<${Page} title="Import a project"><${MayNot} /><//>`;
  const isWithoutFile = chosen.id === "file" && !upload.value;
  const submit = (event) => {
    event.preventDefault();
    if (isWithoutFile) return ask(event.target, state);
    if (taken.value) return event.target.elements.path.focus();
    return begin(event.target, chosen, { upload, people, state });
  };
  const { busy, wrong, problem } = state.value;
  return html`<${Page} title="Import a project">
    <${Tabs} label="Where the project comes from" tabs=${SOURCES} chosen=${chosen.id} choose=${(id) => setQuery({ from: id === "file" ? null : id })} />
    <form class="columns" onSubmit=${submit} onInput=${(event) => forgive(event.target.name, state)}>
      <div>
        <div role="tabpanel" id="panel-${chosen.id}" aria-labelledby="tab-${chosen.id}">
          <${chosen.view} upload=${upload} limits=${limits} wrong=${wrong} guessed=${guessed} />
        </div>
        <${People} people=${people} mayJoin=${chosen.id !== "github"} wrong=${wrong.people} />
      </div>
      <div>
        <${Target} source=${chosen.id} name=${chosen.id === "github" ? guessed.value : upload.value?.file.name} wrong=${wrong} taken=${taken} />
        ${problem && html`<${Notice} tone="error">${problem}<//>`}
        <${Submit} source=${chosen.id} upload=${upload} busy=${busy} isRefused=${isWithoutFile || taken.value !== null} />
        ${limits && html`<${Limits} source=${chosen.id} limits=${limits} />`}
      </div>
    </form>
  <//>`;
}

const REST = { busy: false, problem: null, wrong: {} };

function MayNot() {
  return html`<${Notice} tone="warning">You have signed in by a token that may only look (read_api). Sign in by one with the scope api to import.<//>`;
}

/** Refused, it can be pressed all the same: that leads to the field which says why. */
function Submit({ source, upload, busy, isRefused }) {
  const isUploading = source === "file" && upload.value && upload.value.state.value !== "done";
  const words = busy && isUploading ? "Waits for the upload" : isUploading ? "Import when uploaded" : "Import";
  return html`<button type="submit" aria-busy=${busy} aria-disabled=${isRefused} disabled=${busy}>${words}</button>`;
}

/** Lead to the file without which there is no import. */
function ask(form, state) {
  state.value = { ...REST, problem: "Choose a file first, or drop one on this page." };
  form.querySelector("[type=file]").focus();
}

async function begin(form, source, { upload, people, state }) {
  state.value = { ...REST, busy: true };
  try {
    const given = { ...requestOf(new FormData(form), source), ...peopleGiven(people.value) };
    if (!given.overwrite) await checkFree(given);
    if (source.id === "file") given.upload_id = await upload.value.ended;
    const id = await sendForJob(source.address, given);
    upload.value = null;
    go(id ? `/jobs/${id}` : "/jobs");
  } catch (problem) {
    state.value = REST;
    if (!(problem instanceof Removed)) refuse(form, source, problem, state);
  }
}

/** Whoever presses before the form has looked what is at the path is not told only once all is uploaded. */
async function checkFree({ namespace, path }) {
  const there = await projectAt(namespace, path).catch(() => null); // the server looks again
  if (there) throw new Problem("Path has already been taken.");
}

const OF_PATH = new Set(["namespace", "overwrite"]); // fields that decide with it whether a path is taken

/** What was said of a field is over as soon as somebody changes it. */
function forgive(name, state) {
  if ((OF_PATH.has(name) ? "path" : name) in state.value.wrong) state.value = { ...state.value, wrong: {} };
}

/** Tell a problem at the field that it is about, which takes the focus; else above the button. */
function refuse(form, source, problem, state) {
  const names = source.fields.filter((name) => form.elements[name].required || form.elements[name].value);
  const { field, text } = refusalOf(problem, [...names, ...TARGET]);
  state.value = field ? { ...REST, wrong: { [field]: text } } : { ...REST, problem: text };
  form.elements[field]?.focus();
}

/** The body of the request, but for the upload. */
function requestOf(form, source) {
  const given = Object.fromEntries(source.fields.map((name) => [name, form.get(name).trim()]).filter(([, value]) => value));
  const [namespace, path] = [form.get("namespace"), form.get("path").trim()];
  if (source.id === "github") return { github: { ...given, optional_stages: stagesOf(form) }, path, namespace };
  return { ...given, path, namespace, overwrite: form.has("overwrite"), import_members: form.has("import_members") };
}

const stagesOf = (form) => Object.fromEntries(form.getAll("stage").map((name) => [name, true]));
