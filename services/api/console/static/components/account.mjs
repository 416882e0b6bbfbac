// Who is signed in, the colours, and the way out.
import { useRef } from "preact/hooks";
import { html } from "../html.mjs";
import { elsewhere } from "../place.mjs";
import { theme } from "../preferences.mjs";
import { signOut, user } from "../session.mjs";
import { toastProblem } from "../toasts.mjs";
import { useDismiss } from "./dismiss.mjs";

const THEMES = [["system", "As the system"], ["light", "Light"], ["dark", "Dark"]];

export function Account({ showKeys }) {
  const menu = useRef(null);
  useDismiss(menu, (isByKey) => {
    if (isByKey && menu.current.open) menu.current.querySelector("summary").focus();
    menu.current.open = false;
  });
  return html`<details class="account" ref=${menu}>
    <summary>${user.value?.username ?? "Colours"}</summary>
    <div>
      ${user.value && html`<p>${user.value.name}</p>${user.value.administrator && html`<p class="quiet">may administer this server</p>`}`}
      <fieldset>
        <legend>Colours</legend>
        ${THEMES.map(
          ([value, name]) => html`<label key=${value}>
            <input type="radio" name="theme" checked=${theme.value === value} onChange=${() => (theme.value = value)} />${name}
          </label>`,
        )}
      </fieldset>
      <button type="button" class="plain" onClick=${() => (menu.current.removeAttribute("open"), showKeys())}>Keyboard shortcuts</button>
      <a href=${elsewhere("/api/docs")} target="_blank" rel="noopener">API reference</a>
      ${user.value && html`<button type="button" class="plain" onClick=${() => (menu.current.removeAttribute("open"), signOut().catch(toastProblem))}>Sign out</button>`}
    </div>
  </details>`;
}
