// One user, for administrators: the account, and its tokens.
import { Loaded } from "../components/loaded.mjs";
import { Page } from "../components/page.mjs";
import { Facts } from "../components/small.mjs";
import { Tokens } from "../components/tokens.mjs";
import { count, moment } from "../format.mjs";
import { html } from "../html.mjs";
import { get } from "../http.mjs";
import { useLoaded } from "../loading.mjs";
import { gitlab, page } from "../place.mjs";

export default function User({ id }) {
  const loaded = useLoaded((signal) => get(gitlab(`/users/${id}`), { signal }), [id]);
  return html`<${Page} title=${loaded.value?.name ?? `User ${id}`}>
    <${Loaded} of=${loaded} what="the user">${(value) => html`<${Shown} user=${value} />`}<//>
  <//>`;
}

function Shown({ user }) {
  return html`
    <${Facts} facts=${[
      ["Username", user.username],
      ["Email", user.email],
      ["Role", user.is_admin ? "administrator" : user.bot ? "bot" : "user"],
      ["Projects", user.projects_limit !== undefined && `at most ${count(user.projects_limit)} in the own namespace`],
      ["Since", moment(user.created_at)],
      ["Jobs", html`<a href=${page(`/jobs?user=${user.username}`)}>Show them</a>`],
    ].filter(([, value]) => value)} />
    <h2>Tokens</h2>
    <${Tokens} user=${user} />
    <p><a href=${page("/people")}>All people</a></p>`;
}
