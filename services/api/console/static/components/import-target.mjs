// Where an import goes.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { html } from "../html.mjs";
import { get } from "../http.mjs";
import { useLoaded } from "../loading.mjs";
import { elsewhere, gitlab, projectPage } from "../place.mjs";
import { pathOf, projectAt, refusalOfPath } from "../project-path.mjs";
import { query } from "../router.mjs";
import { user } from "../session.mjs";
import { Field } from "./actions.mjs";

const PAUSE = 250; // of somebody who types, before the server is asked

/** `name` is that of the file or the repository, from which the path is guessed; `taken` gets what speaks against the path. */
export function Target({ source, name, wrong, taken }) {
  const namespace = useSignal(query.value.get("namespace") ?? user.value.username);
  const path = useSignal(query.value.get("path") ?? "");
  const replaces = useSignal(query.value.has("replace"));
  const there = useProjectAt(namespace.value, path.value);
  useEffect(() => {
    if (name && !path.value) path.value = pathOf(name);
  }, [name]);
  const mayReplace = source !== "github";
  const refusal = refusalOfTarget(path.value, there.project, mayReplace, mayReplace && replaces.value);
  useEffect(() => {
    taken.value = refusal;
  }, [refusal !== null]);
  return html`
    <h2>Where to</h2>
    <div class="pair">
      <${Namespace} chosen=${namespace} wrong=${wrong.namespace} />
      <${Field} label="Path" name="path" required autocomplete="off" value=${path.value} wrong=${refusal ?? wrong.path}
        onInput=${(event) => (path.value = event.target.value)} />
    </div>
    <p class="quiet target" role="status">${path.value && !refusal && placeOf(namespace.value, path.value, there)}</p>
    ${mayReplace && html`<label class="check">
      <input type="checkbox" name="overwrite" checked=${replaces.value} onChange=${(event) => (replaces.value = event.target.checked)} />
      <span>Replace the project that is there (its content goes away)</span>
    </label>`}
  `;
}

function placeOf(namespace, path, { project, isFree }) {
  const state = isFree ? " Nothing is there yet." : project ? " It takes the place of what is there." : "";
  return html`It will be at <span class="address">${location.origin}${elsewhere(`/${namespace}/${path}`)}</span>.${state}`;
}

function Namespace({ chosen, wrong }) {
  const found = useLoaded((signal) => get(gitlab("/namespaces?per_page=100"), { signal }));
  const paths = [...new Set([user.value.username, chosen.value, ...(found.value ?? []).map((each) => each.full_path)])];
  return html`<label>Namespace
    <select name="namespace" value=${chosen.value} aria-invalid=${wrong ? "true" : undefined} aria-describedby=${wrong ? "namespace-help" : undefined}
      onChange=${(event) => (chosen.value = event.target.value)}>
      ${paths.map((each) => html`<option key=${each} value=${each} selected=${each === chosen.value}>${each}</option>`)}
    </select>
    ${wrong && html`<small class="wrong" id="namespace-help" role="alert">${wrong}</small>`}
  </label>`;
}

/** Ask what is at a path, once nobody types any more: {project, isFree}. */
function useProjectAt(namespace, path) {
  const there = useSignal(UNKNOWN);
  useEffect(() => {
    there.value = UNKNOWN;
    if (!path || refusalOfPath(path)) return undefined;
    const aborted = new AbortController();
    const tell = (project) => (there.value = { project, isFree: project === null });
    const timer = setTimeout(() => projectAt(namespace, path, { signal: aborted.signal }).then(tell, () => {}), PAUSE);
    return () => (clearTimeout(timer), aborted.abort());
  }, [namespace, path]);
  return there.value;
}

const UNKNOWN = { project: null, isFree: false };

function refusalOfTarget(path, project, mayReplace, replaces) {
  const refusal = path ? refusalOfPath(path) : null;
  if (refusal || !project || replaces) return refusal;
  const which = html`<a href=${projectPage(project.path_with_namespace)}>${project.empty ? "A project without content" : "A project"}</a>`;
  return html`${which} is there already. Choose another path${mayReplace ? ", or replace it" : ""}.`;
}
