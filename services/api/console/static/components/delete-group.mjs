// Deleting a group, for its owners and for administrators.
import { html } from "../html.mjs";
import { send } from "../http.mjs";
import { useLoaded } from "../loading.mjs";
import { gitlab } from "../place.mjs";
import { hasLevel, OWNER } from "../project-path.mjs";
import { go } from "../router.mjs";
import { canWrite, isAdministrator } from "../session.mjs";
import { toast } from "../toasts.mjs";
import { DangerZone, DeleteByPath } from "./danger-zone.mjs";

/** The end of a group's page. */
export function DeleteGroup({ group }) {
  const { value: isOwner } = useLoaded((signal) => owns(group, { signal }), [group.id]);
  if (!isOwner) return null;
  const act = async () => {
    await send("DELETE", gitlab(`/groups/${group.id}`));
    toast(`${group.full_path} is deleted.`);
    go("/people");
  };
  return html`<${DangerZone} what="group">
    <p>Nobody can bring it back. Back it up first where you may need it again.</p>
    <${DeleteByPath} what="group" path=${group.full_path} act=${act}>
      <ul>
        <li>its subgroups, and all projects in it and in them, with their content, exports and jobs</li>
        <li>its members and their roles</li>
      </ul>
    <//>
  <//>`;
}

async function owns(group, { signal }) {
  if (!canWrite.value) return false;
  return isAdministrator.value || hasLevel(group.full_path, OWNER, { signal });
}
