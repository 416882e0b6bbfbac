// Messages about what somebody has just done.
import { useEffect } from "preact/hooks";
import { onDownload } from "../downloads.mjs";
import { html } from "../html.mjs";
import { visits } from "../router.mjs";
import { closeProblems, closeToast, toasts } from "../toasts.mjs";

export function Toasts() {
  useEffect(closeProblems, [visits.value]);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map(
      (each) => html`<div key=${each.id} class="toast ${each.isError ? "error" : ""}">
        <span>${each.text} ${each.link && html`<a href=${each.link.href} download=${each.link.download} onClick=${each.link.download && onDownload}>${each.link.text}</a>`}</span>
        <button type="button" class="plain" aria-label="Close this message" onClick=${() => closeToast(each.id)}>✕</button>
      </div>`,
    )}
  </div>`;
}
