// Who is in a project or a group, with which role.
import { html } from "../html.mjs";
import { Problem, send } from "../http.mjs";
import { useParts } from "../loading.mjs";
import { gitlab } from "../place.mjs";
import { canWrite } from "../session.mjs";
import { toast } from "../toasts.mjs";
import { Ask, Choice, Field, FormButton } from "./actions.mjs";
import { Listed } from "./loaded.mjs";
import { Table } from "./table.mjs";

const ROLES = [[10, "guest"], [15, "planner"], [20, "reporter"], [30, "developer"], [40, "maintainer"], [50, "owner"]];
const roleWord = (level) => ROLES.find(([each]) => each === level)?.[1] ?? `level ${level}`;
const withArticle = (word) => `${word === "owner" ? "an" : "a"} ${word}`;

/** `of` is "projects" or "groups"; members of groups above are shown too. */
export function Members({ of, id }) {
  const list = useParts(gitlab(`/${of}/${id}/members/all?per_page=50`));
  const address = gitlab(`/${of}/${id}/members`);
  return html`<h2>Who is in it</h2>
    <${Listed} of=${list} what="the members" empty=${html`<p class="quiet">Nobody but administrators.</p>`}>
      ${(rows) => html`<${Table} caption="Members" rows=${rows} columns=${columns(address, list.reload)} />`}
    <//>
    ${canWrite.value && html`<${Add} address=${address} done=${list.reload} />`}`;
}

const columns = (address, done) => [
  { name: "Member", wide: true, cell: (row) => html`${row.name} <small>${row.username}</small>` },
  { name: "Role", cell: (row) => roleWord(row.access_level) },
  { name: "Until", cell: (row) => row.expires_at ?? "no end" },
  { name: "Actions", cell: (row) => canWrite.value && html`<${Remove} member=${row} address=${address} done=${done} />` },
];

function Remove({ member, address, done }) {
  const act = async () => {
    await send("DELETE", `${address}/${member.id}`);
    toast(`${member.name} is no member any more.`);
    done();
  };
  return html`<${Ask} name="Remove" label="Remove ${member.username}" title="Remove ${member.name}?" yes="Remove" danger act=${act}>
    <p>${member.name} loses the role of ${withArticle(roleWord(member.access_level))} here. Roles from groups above stay.</p>
  <//>`;
}

function Add({ address, done }) {
  const act = async (form) => {
    const [username, level] = [form.get("username").trim(), Number(form.get("access_level"))];
    await send("POST", address, { username, access_level: level }).catch((problem) => {
      throw problem.status === 404 ? new Problem(`There is no user ${username}.`, problem) : problem;
    });
    toast(`${username} is ${withArticle(roleWord(level))} now.`);
    done();
  };
  return html`<${FormButton} name="Add a member" title="Add a member" yes="Add" act=${act}>
    <${Field} name="username" label="Username" required data-first autocomplete="off" />
    <${Choice} name="access_level" label="Role" chosen=${30} options=${ROLES} />
  <//>`;
}
