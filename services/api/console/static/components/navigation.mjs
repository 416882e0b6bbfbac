// The pages: in one row where there is room for them, else behind a button.
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.mjs";
import { page } from "../place.mjs";
import { path } from "../router.mjs";
import { NAVIGATION } from "../routes.mjs";
import { isAdministrator } from "../session.mjs";
import { useDismiss } from "./dismiss.mjs";

/** `at` is the address of the entry that the page belongs to. */
export function Navigation({ at }) {
  const [isOpen, setOpen] = useState(false);
  const button = useRef(null);
  useEffect(() => setOpen(false), [path.value]);
  useDismiss(button, (isByKey) => {
    if (isOpen && isByKey) button.current.focus();
    setOpen(false);
  });
  const shown = NAVIGATION.filter((each) => !each.administrators || isAdministrator.value);
  return html`
    <button type="button" class="menu outline" ref=${button} aria-expanded=${isOpen} aria-controls="pages" onClick=${() => setOpen(!isOpen)}>
      <span aria-hidden="true">☰</span> Menu
    </button>
    <nav id="pages" aria-label="Pages" class=${isOpen ? "open" : ""}>
      ${shown.map(
        (each) =>
          html`<a key=${each.path} href=${page(each.path)} aria-current=${each.path === at ? "page" : undefined}>${each.name}</a>`,
      )}
    </nav>
  `;
}
