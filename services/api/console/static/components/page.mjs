// The head of a page. It sets the title of the window, and takes the focus where somebody has come by a link.
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.mjs";
import { visits } from "../router.mjs";

let seen = visits.value;

/** A page with its title; `beside` stands right of that. */
export function Page({ title, heading = title, beside = null, children }) {
  const head = useRef(null);
  useEffect(() => {
    document.title = `${title} · Crossdock`;
  }, [title]);
  useEffect(() => {
    const isLost = visits.value > 0 && document.activeElement === document.body; // with a page that was loading
    if (isLost || visits.value !== seen) head.current.focus({ preventScroll: true });
    seen = visits.value;
  }, []);
  return html`
    <div class="head">
      <h1 tabindex="-1" ref=${head}>${heading}</h1>
      ${beside && html`<div class="beside">${beside}</div>`}
    </div>
    ${children}
  `;
}
