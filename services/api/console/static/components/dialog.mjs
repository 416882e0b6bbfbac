// Dialogs by <dialog>: the browser keeps the focus in them, Escape closes them, and the focus returns.
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.mjs";

/**
 * A dialog, open as long as it is there. What has `data-first` gets the focus: browsers complain of `autofocus`
 * in what is added to a page.
 */
export function Dialog({ title, close, children }) {
  const dialog = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    dialog.current.querySelector("[data-first]")?.focus();
    return () => before?.isConnected && isLost() && before.focus();
  }, []);
  return html`<dialog ref=${dialog} onClose=${close} aria-labelledby="dialog-title">
    <article><h2 id="dialog-title">${title}</h2>${children}</article>
  </dialog>`;
}

/** Whether nothing has the focus. This is asked late: somebody may have moved on by a key meanwhile. */
const isLost = () => document.activeElement === document.body;

/** A question before something that cannot be undone. `act` may take its time; an error stays in the dialog. */
export function Question({ title, yes, danger = false, act, close, children }) {
  const [state, setState] = useState({ busy: false, problem: null });
  const answer = async () => {
    if (state.busy) return;
    setState({ busy: true, problem: null });
    try {
      await act();
      close();
    } catch (problem) {
      setState({ busy: false, problem: problem.message });
    }
  };
  return html`<${Dialog} title=${title} close=${close}>
    <div>${children}</div>
    ${state.problem && html`<div class="notice error" role="alert">${state.problem}</div>`}
    <footer>
      <button type="button" class="outline" onClick=${close} data-first>Keep it as it is</button>
      <button type="button" class=${danger ? "danger" : ""} aria-busy=${state.busy} aria-disabled=${state.busy} onClick=${answer}>${yes}</button>
    </footer>
  <//>`;
}
