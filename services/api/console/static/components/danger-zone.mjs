// The end of a page of what can be deleted, and the question in which its path is typed.
import { html } from "../html.mjs";
import { Problem } from "../http.mjs";
import { Field, FormButton } from "./actions.mjs";

/** `what` is the noun of it: "project". */
export function DangerZone({ what, children }) {
  return html`<section class="danger-zone" aria-labelledby="danger-zone">
    <h2 id="danger-zone">Delete this ${what}</h2>
    <div class="row">${children}</div>
  </section>`;
}

/** A button; `act` deletes once the path is typed. `children` say what goes. */
export function DeleteByPath({ what, path, act, children }) {
  const checked = async (form) => {
    if (form.get("typed").trim() !== path) throw new Problem(`This is not the path. Type ${path}, or cancel.`);
    await act();
  };
  return html`<${FormButton} name="Delete the ${what}" title="Delete this ${what}?" yes="Delete it" danger act=${checked}>
    <p>This cannot be undone. With <strong>${path}</strong> go:</p>
    ${children}
    <p>Files that were downloaded, and backups in buckets, stay.</p>
    <${Field} name="typed" label="Type the path to confirm" required data-first autocomplete="off" spellcheck="false" />
  <//>`;
}
