// Starts the console.
import { render } from "preact";
import { Frame } from "./components/frame.mjs";
import { html } from "./html.mjs";
import { follow } from "./live.mjs";
import { listen } from "./router.mjs";
import { loadSession } from "./session.mjs";

async function start() {
  const place = document.getElementById("console");
  listen();
  follow();
  const failed = await loadSession().then(() => null, (problem) => problem);
  place.replaceChildren();
  render(html`<${Frame} failed=${failed} />`, place);
}

start();
