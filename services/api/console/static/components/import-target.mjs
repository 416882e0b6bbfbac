// Where an import goes, and who its people are.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { html } from "../html.mjs";
import { get } from "../http.mjs";
import { elsewhere, gitlab } from "../place.mjs";
import { user } from "../session.mjs";
import { Field } from "./actions.mjs";

/** `name` is that of the file, from which the path is guessed. */
export function Target({ source, name }) {
  const namespaces = useSignal([]);
  const namespace = useSignal(user.value.username);
  const path = useSignal("");
  useEffect(() => {
    get(gitlab("/namespaces?per_page=100")).then((found) => (namespaces.value = found), () => {});
  }, []);
  useEffect(() => {
    if (name && !path.value) path.value = guess(name);
  }, [name]);
  return html`
    <h2>Where to</h2>
    <div class="pair">
      <label>Namespace
        <select name="namespace" value=${namespace.value} onChange=${(event) => (namespace.value = event.target.value)}>
          ${known(namespaces.value).map((each) => html`<option key=${each} value=${each} selected=${each === namespace.value}>${each}</option>`)}
        </select>
      </label>
      <${Field} label="Path" name="path" required pattern="[A-Za-z0-9_.][A-Za-z0-9_.\\-]*" value=${path.value}
        onInput=${(event) => (path.value = event.target.value)} />
    </div>
    <p class="quiet">It will be at ${location.origin}${elsewhere(`/${namespace.value}/${path.value || "…"}`)}</p>
    ${source !== "github" && html`<label class="check"><input type="checkbox" name="overwrite" /> <span>Replace the project that is there (its content goes away)</span></label>`}
    <${People} />
  `;
}

const known = (namespaces) => {
  const paths = namespaces.map((each) => each.full_path);
  return paths.includes(user.value.username) ? paths : [user.value.username, ...paths];
};

/** "2026-01-01_10-00-000_group_website_export.tar.gz" becomes "group_website". */
function guess(name) {
  const stem = name.replace(/\.t?ar\.gz$|\.tgz$|\.gz$/i, "").replace(/_export$/i, "").replace(/^[\d_-]{15,}/, "");
  return stem.replace(/[^A-Za-z0-9_.-]+/g, "-").replace(/^[-.]+|[-.]+$/g, "").slice(0, 255);
}

function People() {
  return html`<details class="help">
    <summary>People</summary>
    <p>Exports name people by a map: who somebody in the archive is at the GitLab that an export is for. Without one, each stays
      as the archive has it.</p>
    <label>Map of people (CSV or JSON)
      <input type="file" name="people" accept=".csv,.json,text/csv,application/json" />
    </label>
  </details>`;
}
