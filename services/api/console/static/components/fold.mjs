// A part of a page that is folded where there is little room, and open where there is enough.
import { useEffect, useState } from "preact/hooks";
import { html } from "../html.mjs";

const narrow = matchMedia("(max-width: 700px)");

export function Fold({ title, children }) {
  const [isOpen, setOpen] = useState(!narrow.matches);
  useEffect(() => {
    const follow = () => setOpen(!narrow.matches);
    narrow.addEventListener("change", follow);
    return () => narrow.removeEventListener("change", follow);
  }, []);
  return html`<details class="fold" open=${isOpen} onToggle=${(event) => setOpen(event.target.open)}>
    <summary><h2>${title}</h2></summary>
    ${children}
  </details>`;
}
