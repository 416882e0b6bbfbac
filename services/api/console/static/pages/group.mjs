// One group: its projects, and who is in it.
import { DeleteGroup } from "../components/delete-group.mjs";
import { Listed, Loaded } from "../components/loaded.mjs";
import { Members } from "../components/members.mjs";
import { Page } from "../components/page.mjs";
import { Command, Facts } from "../components/small.mjs";
import { Table } from "../components/table.mjs";
import { moment } from "../format.mjs";
import { html } from "../html.mjs";
import { get } from "../http.mjs";
import { useLoaded, useParts } from "../loading.mjs";
import { gitlab, page, projectPage } from "../place.mjs";
import { VISIBILITIES } from "../words.mjs";

export default function Group({ id }) {
  const loaded = useLoaded((signal) => get(gitlab(`/groups/${id}`), { signal }), [id]);
  return html`<${Page} title=${loaded.value?.full_path ?? `Group ${id}`}>
    <${Loaded} of=${loaded} what="the group">${(value) => html`<${Shown} group=${value} />`}<//>
  <//>`;
}

function Shown({ group }) {
  const projects = useParts(gitlab(`/groups/${group.id}/projects?per_page=50&include_subgroups=true&simple=true`));
  return html`<div class="columns">
    <div>
      <h2>Projects</h2>
      <${Listed} of=${projects} what="its projects" empty=${html`<${NoProjects} group=${group} />`}>
        ${(rows) => html`<${Table} caption="Projects of the group" rows=${rows} columns=${PROJECTS} />`}
      <//>
      <${Members} of="groups" id=${group.id} />
    </div>
    <div>
      <h2>About</h2>
      <${Facts} facts=${[
        ["Name", group.full_name], ["Who sees it", VISIBILITIES[group.visibility]], ["Description", group.description], ["Made", moment(group.created_at)], ["Id", String(group.id)],
      ].filter(([, value]) => value)} />
      <h2>All of it by command</h2>
      <${Command}>crossdock backup --group ${group.full_path} --to /srv/backups<//>
      <p><a href=${page("/people")}>All groups</a></p>
    </div>
  </div>
  <${DeleteGroup} group=${group} />`;
}

const PROJECTS = [
  { name: "Project", wide: true, cell: (row) => html`<a href=${projectPage(row.path_with_namespace)}>${row.path_with_namespace}</a>` },
  { name: "Last activity", cell: (row) => moment(row.last_activity_at) },
];

function NoProjects({ group }) {
  return html`<p class="quiet">None yet.</p><${Command}>crossdock import project_export.tar.gz --path ${group.full_path}/project<//>`;
}
