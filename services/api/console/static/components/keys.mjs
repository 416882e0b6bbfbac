// The list of keys, and the switch that turns them off.
import { html } from "../html.mjs";
import { KEYS } from "../keyboard.mjs";
import { letters } from "../preferences.mjs";
import { Dialog } from "./dialog.mjs";

export function Keys({ close }) {
  return html`<${Dialog} title="Keyboard shortcuts" close=${close}>
    <dl class="keys">
      ${KEYS.map(([keys, what]) => html`<div key=${keys}><dt><kbd>${keys}</kbd></dt><dd>${what}</dd></div>`)}
    </dl>
    <label>
      <input type="checkbox" role="switch" checked=${letters.value === "on"}
        onChange=${(event) => (letters.value = event.target.checked ? "on" : "off")} />
      Single keys are commands
    </label>
    <footer><button type="button" class="outline" onClick=${close}>Close</button></footer>
  <//>`;
}
