// The tokens of a user: which there are, until when, and a way to revoke them. Administrators make new ones.
import { useState } from "preact/hooks";
import { onServer } from "../commands.mjs";
import { day } from "../format.mjs";
import { html } from "../html.mjs";
import { get, Problem, send } from "../http.mjs";
import { useLoaded, useParts } from "../loading.mjs";
import { gitlab } from "../place.mjs";
import { canWrite, isAdministrator } from "../session.mjs";
import { toast } from "../toasts.mjs";
import { Ask, Field, FormButton, Once } from "./actions.mjs";
import { Listed } from "./loaded.mjs";
import { Ago, Command } from "./small.mjs";
import { Table } from "./table.mjs";

const A_DAY = 24 * 60 * 60 * 1000;
const tomorrow = () => new Date(Date.now() + A_DAY).toISOString().slice(0, 10);

const SCOPES = [["api", "may do everything"], ["read_api", "may only read"], ["read_user", "may tell who it is"]];

export function Tokens({ user }) {
  const list = useParts(gitlab(`/personal_access_tokens?user_id=${user.id}&state=active&per_page=50`));
  const own = useLoaded((signal) => get(gitlab("/personal_access_tokens/self"), { signal })).value;
  const [secret, setSecret] = useState(null);
  const made = ({ token }) => (setSecret(token), list.reload());
  return html`
    <${Listed} of=${list} what="the tokens" empty=${html`<p class="quiet">No token is valid.</p>`}>
      ${(rows) => html`<${Table} caption="Valid tokens of ${user.username}" rows=${rows} columns=${columns({ user, done: list.reload, own, isLast: rows.length === 1 })} />`}
    <//>
    ${canWrite.value && isAdministrator.value && html`<${Add} user=${user} made=${made} />`}
    <p class="quiet">${isAdministrator.value ? "The same on the server, if no token is left:" : "An administrator makes tokens, here or on the server:"}</p>
    <${Command}>${onServer(`crossdock admin create-token ${user.username}`)}<//>
    ${secret && html`<${Once} title="The token" secret=${secret} close=${() => setSecret(null)}>Whoever has it may act as ${user.username}.<//>`}`;
}

const columns = (about) => [
  { name: "Token", wide: true, cell: (row) => row.name },
  { name: "Scopes", cell: (row) => row.scopes.join(", ") },
  { name: "Made", cell: (row) => html`<${Ago} at=${row.created_at} />` },
  { name: "Until", cell: (row) => (row.expires_at ? day(row.expires_at) : "no end") },
  { name: "Actions", cell: (row) => canWrite.value && html`<${Revoke} token=${row} ...${about} />` },
];

function Revoke({ token, user, done, own, isLast }) {
  const act = async () => {
    await send("DELETE", gitlab(`/personal_access_tokens/${token.id}`));
    toast(`${token.name} is revoked.`);
    done();
  };
  return html`<${Ask} name="Revoke" label="Revoke ${token.name}" title="Revoke ${token.name}?" yes="Revoke" danger act=${act}>
    <p>Whoever uses it is refused from then on, and sessions that began with it end.</p>
    ${token.id === own?.id && html`<p><strong>You are signed in with this token: you are signed out at once.</strong></p>`}
    ${isLast && html`<p><strong>It is the last token of ${user.username}, who needs a new one to come back: an administrator makes it.</strong></p>`}
  <//>`;
}

function Add({ user, made }) {
  const act = async (form) => {
    if (!form.has("scopes")) throw new Problem("Choose what it may do.");
    const expires = form.get("expires_at");
    const given = { name: form.get("name").trim(), scopes: form.getAll("scopes"), ...(expires && { expires_at: expires }) };
    made(await send("POST", gitlab(`/users/${user.id}/personal_access_tokens`), given));
  };
  return html`<${FormButton} name="New token" title="New token of ${user.username}" yes="Make it" act=${act}>
    <${Field} name="name" label="What it is for" required data-first autocomplete="off" />
    <fieldset><legend>What it may do</legend>
      ${SCOPES.map(([scope, words]) => html`<label key=${scope}><input type="checkbox" name="scopes" value=${scope} /> ${scope}: ${words}</label>`)}
    </fieldset>
    <${Field} name="expires_at" label="Valid until" type="date" min=${tomorrow()} help="Empty: until it is revoked." />
  <//>`;
}
