// One user, for administrators: the account, and its tokens.
import { Act, Ask } from "../components/actions.mjs";
import { Loaded } from "../components/loaded.mjs";
import { Page } from "../components/page.mjs";
import { Facts, Notice } from "../components/small.mjs";
import { Tokens } from "../components/tokens.mjs";
import { count, moment } from "../format.mjs";
import { html } from "../html.mjs";
import { get, send } from "../http.mjs";
import { useLoaded } from "../loading.mjs";
import { gitlab, page } from "../place.mjs";
import { canWrite, user as reader } from "../session.mjs";
import { toast } from "../toasts.mjs";

export default function User({ id }) {
  const loaded = useLoaded((signal) => get(gitlab(`/users/${id}`), { signal }), [id]);
  const mayBlock = loaded.value && canWrite.value && loaded.value.id !== reader.value?.id;
  const beside = mayBlock && html`<${Shutting} user=${loaded.value} done=${loaded.reload} />`;
  return html`<${Page} title=${loaded.value?.name ?? `User ${id}`} beside=${beside}>
    <${Loaded} of=${loaded} what="the user">${(value) => html`<${Shown} user=${value} />`}<//>
  <//>`;
}

// Shuts the user out, or lets the user in again.
function Shutting({ user, done }) {
  const ask = async (move, text) => {
    await send("POST", gitlab(`/users/${user.id}/${move}`));
    toast(text);
    done();
  };
  const unblock = () => ask("unblock", `${user.name} may use Crossdock again.`);
  if (user.state === "blocked") return html`<${Act} act=${unblock}>Unblock<//>`;
  return html`<${Ask} name="Block" title="Block ${user.name}?" yes="Block" danger act=${() => ask("block", `${user.name} is shut out.`)}>
    <p>Sessions end now, tokens and sign-ins are refused, and no schedule runs. Jobs that were accepted go on. You can unblock the user later: the tokens hold again then, so revoke those that were stolen.</p>
  <//>`;
}

function Shown({ user }) {
  return html`
    ${user.state === "blocked" && html`<${Notice} tone="warning">This user is blocked: nobody can sign in or use a token in this name.<//>`}
    <${Facts} facts=${[
      ["Username", user.username],
      ["Email", user.email],
      ["Signs in as", user.identities?.map((each) => `${each.extern_uid} (${each.provider})`).join(", ")],
      ["Role", user.is_admin ? "administrator" : user.bot ? "bot" : "user"],
      ["Projects", user.projects_limit !== undefined && `at most ${count(user.projects_limit)} in the own namespace`],
      ["Since", moment(user.created_at)],
      ["Jobs", html`<a href=${page(`/jobs?user=${user.username}`)}>Show them</a>`],
    ].filter(([, value]) => value)} />
    <h2>Tokens</h2>
    <${Tokens} user=${user} />
    <p><a href=${page("/people")}>All people</a></p>`;
}
