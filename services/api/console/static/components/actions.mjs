// Buttons that do something on the server: at once, after a question, or after a form.
// While that goes on they are aria-disabled: a button that is disabled loses the focus.
import { useState } from "preact/hooks";
import { html } from "../html.mjs";
import { toastProblem } from "../toasts.mjs";
import { Dialog, Question } from "./dialog.mjs";
import { Copy } from "./small.mjs";

/** A button that acts at once. An error is told in a message. */
export function Act({ act, label, children }) {
  const [busy, setBusy] = useState(false);
  const click = async () => {
    if (busy) return;
    setBusy(true);
    await act().catch(toastProblem);
    setBusy(false);
  };
  return html`<button type="button" class="outline" aria-label=${label} aria-busy=${busy} aria-disabled=${busy} onClick=${click}>${children}</button>`;
}

/** A button that asks first; `children` is the question. */
export function Ask({ name, label, title, yes, danger = false, act, children }) {
  const [asks, setAsks] = useState(false);
  return html`
    <button type="button" class="outline" aria-label=${label} onClick=${() => setAsks(true)}>${name}</button>
    ${asks && html`<${Question} title=${title} yes=${yes} danger=${danger} act=${act} close=${() => setAsks(false)}>${children}<//>`}
  `;
}

/** A button that opens a form. `act` gets what was filled in; `children` are its fields. */
export function FormButton({ name, label, title, yes, main = false, danger = false, act, children }) {
  const [isOpen, setOpen] = useState(false);
  return html`
    <button type="button" class=${main ? "" : "outline"} aria-label=${label} onClick=${() => setOpen(true)}>${name}</button>
    ${isOpen && html`<${FormDialog} title=${title} yes=${yes} danger=${danger} act=${act} close=${() => setOpen(false)}>${children}<//>`}
  `;
}

function FormDialog({ title, yes, danger, act, close, children }) {
  const [state, setState] = useState({ busy: false, problem: null });
  const submit = async (event) => {
    event.preventDefault();
    if (state.busy) return;
    setState({ busy: true, problem: null });
    try {
      await act(new FormData(event.target));
      close();
    } catch (problem) {
      setState({ busy: false, problem: problem.message });
    }
  };
  return html`<${Dialog} title=${title} close=${close}>
    <form onSubmit=${submit}>
      ${children}
      ${state.problem && html`<div class="notice error" role="alert">${state.problem}</div>`}
      <footer>
        <button type="button" class="outline" onClick=${close}>Cancel</button>
        <button type="submit" class=${danger ? "danger" : ""} aria-busy=${state.busy} aria-disabled=${state.busy}>${yes}</button>
      </footer>
    </form>
  <//>`;
}

/** A field of a form, with a sentence about it, or with what is wrong with it. */
export function Field({ name, label, help = null, wrong = null, ...rest }) {
  const told = wrong ?? help;
  return html`<label>${label}
    <input name=${name} aria-describedby=${told ? `${name}-help` : undefined} aria-invalid=${wrong ? "true" : undefined} ...${rest} />
    ${told && html`<small id="${name}-help" class=${wrong ? "wrong" : ""} role=${wrong ? "alert" : undefined}>${told}</small>`}
  </label>`;
}

/** A choice of a form: [[value, word], ...]. */
export function Choice({ name, label, options, chosen = null, onChange = undefined }) {
  return html`<label>${label}
    <select name=${name} onChange=${onChange}>
      ${options.map(([value, word]) => html`<option key=${value} value=${value} selected=${value === chosen}>${word}</option>`)}
    </select>
  </label>`;
}

/** Any of some things, to check: [[value, word], ...]. The form has all that are checked, by one name. */
export function Checks({ name, label, options, help }) {
  return html`<fieldset class="checks" aria-describedby="${name}-help">
    <legend>${label}</legend>
    ${options.map(([value, word]) => html`<label class="check" key=${value}><input type="checkbox" name=${name} value=${value} /> <span>${word}</span></label>`)}
    <small id="${name}-help">${help}</small>
  </fieldset>`;
}

/** Select all of it, from the end on: the begin stays in view where the field is too short. */
const select = ({ target }) => target.setSelectionRange(0, target.value.length, "backward");

/** A secret that is shown this once. What became of a copy stands in the dialog, which covers all messages. */
export function Once({ title, secret, close, children }) {
  const [told, setTold] = useState("");
  return html`<${Dialog} title=${title} close=${close}>
    <p>${children} It is shown this once: keep it now.</p>
    <div class="secret">
      <input readonly value=${secret} aria-label=${title} onFocus=${select} data-first />
      <${Copy} text=${secret} what="the secret" tell=${setTold} />
    </div>
    <p role="status">${told}</p>
    <footer><button type="button" onClick=${close}>I have kept it</button></footer>
  <//>`;
}
