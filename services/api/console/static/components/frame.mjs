// What is around each page: navigation, state of the connection, who is signed in, messages.
import { useEffect, useState } from "preact/hooks";
import { sentence } from "../announce.mjs";
import { html } from "../html.mjs";
import { Problem, SILENT } from "../http.mjs";
import { listenToKeys } from "../keyboard.mjs";
import { page } from "../place.mjs";
import { go, match, path } from "../router.mjs";
import { ROUTES } from "../routes.mjs";
import { user } from "../session.mjs";
import { Account } from "./account.mjs";
import { Connection, ConnectionNotice } from "./connection.mjs";
import { Keys } from "./keys.mjs";
import { Missing, Unreachable } from "./missing.mjs";
import { Navigation } from "./navigation.mjs";
import { SignIn } from "./sign-in.mjs";
import { Toasts } from "./toasts.mjs";

/** The whole console. `failed` is why it is not known who is signed in. */
export function Frame({ failed }) {
  const [showsKeys, setShowsKeys] = useState(false);
  useEffect(() => listenToKeys(() => setShowsKeys(true)), []);
  const found = match(ROUTES, path.value);
  useEffect(() => {
    if (path.value === "/") go("/jobs", { replace: true });
  }, [path.value]);
  return html`
    <a class="skip" href="#content">Skip to the content</a>
    <header class="frame">
      <div class="wide bar">
        <a class="name" href=${page("/jobs")}>Crossdock</a>
        ${user.value && html`<${Navigation} at=${found?.route.nav} />`}
        <div class="corner">
          ${user.value && html`<${Connection} />`}
          <${Account} showKeys=${() => setShowsKeys(true)} />
        </div>
      </div>
    </header>
    <main id="content" class="wide">
      ${user.value && html`<${ConnectionNotice} />`}
      <${Content} found=${found} failed=${failed} />
    </main>
    <div class="sr-only" role="status" aria-live="polite">${sentence.value}</div>
    <${Toasts} />
    ${showsKeys && html`<${Keys} close=${() => setShowsKeys(false)} />`}
  `;
}

function Content({ found, failed }) {
  if (failed && !user.value) return html`<${Unreachable} problem=${failed} />`;
  if (!user.value) return html`<${SignIn} />`;
  if (!found) return path.value === "/" ? null : html`<${Missing} />`;
  return html`<${Page} key=${path.value} load=${found.route.load} parameters=${found.parameters} />`;
}

/** A page, whose module is loaded when it is first opened. */
function Page({ load, parameters }) {
  const [view, setView] = useState(null);
  useEffect(() => {
    load().then(
      (module) => setView(() => module.default),
      () => setView(() => () => html`<${Unreachable} problem=${new Problem(SILENT)} />`), // the words of a browser help nobody
    );
  }, []);
  return view && html`<${view} ...${parameters} />`;
}
