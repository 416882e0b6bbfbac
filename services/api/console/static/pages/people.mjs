// People: groups for everybody, users for administrators, and one's own tokens.
import { useState } from "preact/hooks";
import { Choice, Field, FormButton } from "../components/actions.mjs";
import { Listed } from "../components/loaded.mjs";
import { Page } from "../components/page.mjs";
import { Command, Empty } from "../components/small.mjs";
import { Table } from "../components/table.mjs";
import { Tokens } from "../components/tokens.mjs";
import { onServer } from "../commands.mjs";
import { count, day } from "../format.mjs";
import { html } from "../html.mjs";
import { send } from "../http.mjs";
import { useParts } from "../loading.mjs";
import { gitlab, page } from "../place.mjs";
import { query, setQuery } from "../router.mjs";
import { canWrite, isAdministrator, user } from "../session.mjs";
import { toast } from "../toasts.mjs";
import { VISIBILITIES } from "../words.mjs";

export default function People() {
  return html`<${Page} title="People">
    <${Groups} />
    ${isAdministrator.value && html`<${Users} />`}
    <h2 id="tokens">Your tokens</h2>
    <${Tokens} user=${user.value} />
  <//>`;
}

function Groups() {
  const list = useParts(gitlab("/groups?per_page=50&order_by=path"));
  return html`<h2 id="groups">Groups</h2>
    <${Listed} of=${list} what="the groups" empty=${html`<${NoGroups} />`}>
      ${(rows) => html`<${Table} caption="Groups" rows=${rows} columns=${GROUPS} />`}
    <//>
    ${canWrite.value && html`<${AddGroup} done=${list.reload} />`}`;
}

const GROUPS = [
  { name: "Group", wide: true, cell: (row) => html`<a href=${page(`/groups/${row.id}`)}>${row.full_path}</a>${row.name !== row.path && html` <small>${row.name}</small>`}${row.description && html`<small class="below">${row.description}</small>`}` },
  { name: "Who sees it", cell: (row) => VISIBILITIES[row.visibility] },
  { name: "Made", cell: (row) => day(row.created_at) },
];

function AddGroup({ done }) {
  const act = async (form) => {
    const path = form.get("path").trim();
    await send("POST", gitlab("/groups"), { path, name: form.get("name").trim() || path, visibility: form.get("visibility") });
    toast(`The group ${path} is made.`);
    done();
  };
  return html`<${FormButton} name="New group" title="New group" yes="Make it" act=${act}>
    <${Field} name="path" label="Path" required data-first autocomplete="off" help="Letters, digits, dots, dashes: it is part of addresses." />
    <${Field} name="name" label="Name" />
    <${Choice} name="visibility" label="Who sees it" options=${Object.entries(VISIBILITIES)} />
  <//>`;
}

function NoGroups() {
  return html`<${Empty} title="No groups yet">
    <p>Several people share the projects of a group. Make one by the button below, or run on the server:</p>
    <${Command}>${onServer("crossdock admin create-group platform")}<//>
  <//>`;
}

function Users() {
  const search = query.value.get("search") ?? "";
  const list = useParts(gitlab(`/users?per_page=50${search ? `&search=${encodeURIComponent(search)}` : ""}`));
  return html`<h2 id="users">Users</h2>
    <${Search} key=${search} chosen=${search} />
    <${Listed} of=${list} what="the users" empty=${html`<p class="quiet">Nobody has this name.</p>`}>
      ${(rows) => html`<${Table} caption="Users" rows=${rows} columns=${USERS} />`}
    <//>
    ${canWrite.value && html`<${AddUser} done=${list.reload} />`}`;
}

/** What somebody types stays while the list behind it is loaded. */
function Search({ chosen }) {
  const [text, setText] = useState(chosen);
  const submit = (event) => {
    event.preventDefault();
    setQuery({ search: text.trim() });
  };
  return html`<form class="filters" onSubmit=${submit}>
    <label class="search"><span class="sr-only">Search by name</span>
      <input type="search" data-search placeholder="Search by name" value=${text} onInput=${(event) => setText(event.target.value)} />
    </label>
    <button type="submit" class="outline">Search</button>
  </form>`;
}

const USERS = [
  { name: "User", wide: true, cell: (row) => html`<a href=${page(`/people/${row.id}`)}>${row.name}</a> <small>${row.username}</small>${row.state === "blocked" && html` <span class="state failed"><span aria-hidden="true">✕</span> blocked</span>`}` },
  { name: "Role", cell: (row) => (row.is_admin ? "administrator" : row.bot ? "bot" : "user") },
  { name: "Project limit", end: true, cell: (row) => count(row.projects_limit) },
  { name: "Since", cell: (row) => day(row.created_at) },
];

function AddUser({ done }) {
  const act = async (form) => {
    const given = { username: form.get("username").trim(), name: form.get("name").trim(), email: form.get("email").trim(), admin: form.get("admin") === "on", force_random_password: true };
    const made = await send("POST", gitlab("/users"), given);
    toast(`${made.name} is a user now.`, { link: { href: page(`/people/${made.id}`), text: "Make a token" } });
    done();
  };
  return html`<${FormButton} name="New user" title="New user" yes="Make it" act=${act}>
    <${Field} name="username" label="Username" required data-first autocomplete="off" />
    <${Field} name="name" label="Name" required />
    <${Field} name="email" label="Email" type="email" required help="Nothing is sent there." />
    <label><input type="checkbox" name="admin" /> Administrator</label>
  <//>`;
}
