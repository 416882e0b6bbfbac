// Sign-in by a token, or by the organisation's own service where there is one.
import { useState } from "preact/hooks";
import { onServer } from "../commands.mjs";
import { html } from "../html.mjs";
import { elsewhere } from "../place.mjs";
import { session, signIn } from "../session.mjs";
import { Page } from "./page.mjs";
import { Command, Notice } from "./small.mjs";

export function SignIn() {
  const ways = session.value?.sign_in ?? { token: true };
  return html`<${Page} title="Sign in">
    <div class="narrow">
      ${ways.openid_connect && html`<${ByProvider} provider=${ways.openid_connect} />`}
      ${ways.token !== false && html`<${ByToken} />`}
    </div>
  <//>`;
}

function ByProvider({ provider }) {
  const back = encodeURIComponent(location.pathname + location.search);
  return html`<p><a role="button" href="${elsewhere(provider.path)}?return_to=${back}">Sign in with ${provider.name}</a></p>`;
}

function ByToken() {
  const [state, setState] = useState({ busy: false, problem: null });
  const submit = async (event) => {
    event.preventDefault();
    if (state.busy) return;
    const token = new FormData(event.target).get("token").trim();
    setState({ busy: true, problem: null });
    try {
      await signIn(token);
    } catch (problem) {
      setState({ busy: false, problem: wordsFor(problem) });
    }
  };
  return html`<form onSubmit=${submit}>
    <label>Personal access token
      <input type="password" name="token" autocomplete="off" required autofocus aria-describedby="token-help"
        aria-invalid=${state.problem ? "true" : undefined} />
    </label>
    <p id="token-help" class="quiet">A token with the scope api may do everything; one with read_api may only read.
      The browser does not keep it.</p>
    ${state.problem && html`<${Notice} tone="error">${state.problem}<//>`}
    <button type="submit" aria-busy=${state.busy} aria-disabled=${state.busy}>Sign in</button>
    <details class="help"><summary>Do you have no token?</summary>
      <p>Whoever started Crossdock was shown the first one. An administrator makes one for you:</p>
      <${Command}>${onServer("crossdock admin create-token USERNAME")}<//>
      ${session.value?.standalone && html`<p>FOLDER is where the data of this server are: it named the folder when it started.</p>`}
    </details>
  </form>`;
}

function wordsFor(problem) {
  if (problem.status === 429) return "Too many attempts from your address. Wait a minute, then try again.";
  if (problem.status === 401) return "This token is unknown, expired or revoked, or it has neither of the scopes api and read_api.";
  return problem.message;
}
