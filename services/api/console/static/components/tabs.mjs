// Tabs: arrow keys move between them, as screen readers expect.
import { html } from "../html.mjs";

/** `tabs` are {id, name}; the panel of each has the id "panel-ID". */
export function Tabs({ label, tabs, chosen, choose }) {
  const at = tabs.findIndex((each) => each.id === chosen);
  const move = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const next = tabs[(at + by + tabs.length) % tabs.length];
    choose(next.id);
    document.getElementById(`tab-${next.id}`).focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} onKeyDown=${move}>
    ${tabs.map(
      ({ id, name }) => html`<button key=${id} type="button" role="tab" id="tab-${id}" class="plain" aria-selected=${id === chosen}
        aria-controls="panel-${id}" tabindex=${id === chosen ? 0 : -1} onClick=${() => choose(id)}>${name}</button>`,
    )}
  </div>`;
}
