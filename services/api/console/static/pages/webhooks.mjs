// Webhooks: addresses that are told what happens to projects.
import { useState } from "preact/hooks";
import { Checks, Field, FormButton, Once } from "../components/actions.mjs";
import { Listed } from "../components/loaded.mjs";
import { Page } from "../components/page.mjs";
import { Ago, Command, Empty, Notice } from "../components/small.mjs";
import { Table } from "../components/table.mjs";
import { html } from "../html.mjs";
import { send } from "../http.mjs";
import { useParts } from "../loading.mjs";
import { tellHelp } from "../outbound.mjs";
import { own, page } from "../place.mjs";
import { query, setQuery } from "../router.mjs";
import { canWrite, isAdministrator } from "../session.mjs";
import { addressOf, eventsOf, eventsWord, HookState, KINDS, MOVES } from "../webhooks.mjs";

export default function Webhooks() {
  const project = query.value.get("project") ?? "";
  const mayAll = isAdministrator.value;
  return html`<${Page} title="Webhooks">
    <${Which} project=${project} mayAll=${mayAll} />
    ${project || mayAll ? html`<${Hooks} key=${project} project=${project || "all"} />` : html`<${Choose} />`}
  <//>`;
}

function Which({ project, mayAll }) {
  const [text, setText] = useState(project);
  const submit = (event) => {
    event.preventDefault();
    setQuery({ project: text.trim() });
  };
  return html`<form class="filters" onSubmit=${submit}>
    <label class="search"><span class="sr-only">Project</span>
      <input type="search" data-search placeholder="Path of a project" value=${text} onInput=${(event) => setText(event.target.value)} />
    </label>
    <button type="submit" class="outline">Show its webhooks</button>
    ${mayAll && project && html`<a href=${page("/webhooks")}>Those of all projects</a>`}
  </form>`;
}

function Hooks({ project }) {
  const list = useParts(addressOf(project));
  const [secret, setSecret] = useState(null);
  const heading = project === "all" ? "Webhooks of all projects" : html`Webhooks of <code>${project}</code>`;
  return html`<h2>${heading}</h2>
    <${Listed} of=${list} what="the webhooks" empty=${html`<${Nothing} project=${project} />`}>
      ${(rows) => html`<${Table} caption="Webhooks" rows=${rows} columns=${columns(project)} />`}
    <//>
    ${canWrite.value && html`<${Add} project=${project} done=${(made) => (setSecret(made.secret), list.reload())} />`}
    ${secret && html`<${Once} title="Secret of the webhook" secret=${secret} close=${() => setSecret(null)}>
      The receiver checks signatures with this secret.
    <//>`}`;
}

// The server hides paths, as many are secret: two addresses may look the same, two numbers never do.
const columns = (project) => [
  {
    name: "Webhook", wide: true,
    cell: (row) => html`<a href=${page(`/webhooks/${encodeURIComponent(project)}/${row.id}`)}>Webhook ${row.id}</a>
      ${row.description && html`<small class="below">${row.description}</small>`}<small class="below">${row.url}</small>`,
  },
  { name: "Told of", cell: (row) => eventsWord(row.events) },
  { name: "State", cell: (row) => html`<${HookState} hook=${row} />` },
  { name: "Made", cell: (row) => html`<${Ago} at=${row.created_at} />` },
];

function Add({ project, done }) {
  const act = async (form) => {
    const events = eventsOf(form.getAll("kinds"), form.getAll("moves"));
    const given = { url: form.get("url").trim(), description: form.get("description"), ...(events && { events }) };
    done(await send("POST", addressOf(project), given).catch(tellHelp));
  };
  const kinds = KINDS.filter(([kind]) => kind !== "run" || project === "all");
  return html`<${FormButton} name="New webhook" title="New webhook" yes="Make it" act=${act}>
    <${Field} name="url" label="Address" type="url" required data-first placeholder="https://ci.example.com/crossdock" />
    <${Field} name="description" label="What it is for" help="This tells it from others: of its address only the host is shown later, as the rest may be secret." />
    <${Checks} name="kinds" label="Told of" options=${kinds} help="None checked: all of them." />
    <${Checks} name="moves" label="What happens to them" options=${MOVES} help="None checked: all but progress." />
  <//>`;
}

function Choose() {
  return html`<${Notice}>Webhooks belong to a project. Give its path above, or open the project and go on from there.<//>`;
}

function Nothing({ project }) {
  const address = project === "all" ? own("/webhooks") : own(`/projects/${encodeURIComponent(project)}/webhooks`);
  return html`<${Empty} title="No webhooks yet">
    <p>A webhook is sent a signed message when something happens, so that nobody has to ask again and again. By command:</p>
    <${Command}>curl --header "PRIVATE-TOKEN: $CROSSDOCK_TOKEN" --json '{"url": "https://ci.example.com/crossdock"}' ${location.origin}${address}<//>
  <//>`;
}
