// What is shown where there is no page, or no server.
import { html } from "../html.mjs";
import { page } from "../place.mjs";
import { Page } from "./page.mjs";
import { Notice } from "./small.mjs";

export function Missing() {
  return html`<${Page} title="No such page">
    <p>The console has no page at this address. <a href=${page("/jobs")}>Go to the jobs.</a></p>
  <//>`;
}

export function Unreachable({ problem }) {
  return html`<${Page} title="The server does not answer">
    <${Notice} tone="error">${problem.message}<//>
    <button type="button" onClick=${() => location.reload()}>Try again</button>
  <//>`;
}
