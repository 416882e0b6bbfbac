// Schedules: what is backed up when and where; and the places that archives and projects go to.
import { Act, Ask } from "../components/actions.mjs";
import { DestinationForm, testPlace } from "../components/destination-form.mjs";
import { Listed } from "../components/loaded.mjs";
import { Page } from "../components/page.mjs";
import { ScheduleForm } from "../components/schedule-form.mjs";
import { Ago, Command, Empty } from "../components/small.mjs";
import { Table } from "../components/table.mjs";
import { html } from "../html.mjs";
import { send } from "../http.mjs";
import { useParts } from "../loading.mjs";
import { own, page } from "../place.mjs";
import { aboutProjects, aboutRetention } from "../schedules.mjs";
import { canWrite } from "../session.mjs";
import { toast } from "../toasts.mjs";

export default function Schedules() {
  const schedules = useParts(own("/schedules?per_page=50"));
  const destinations = useParts(own("/destinations?per_page=50"));
  const places = destinations.rows ?? [];
  const beside = canWrite.value && places.length > 0 && html`<${ScheduleForm} places=${places} done=${schedules.reload} />`;
  return html`<${Page} title="Schedules" beside=${beside}>
    <${Listed} of=${schedules} what="the schedules" empty=${html`<${NoSchedules} hasPlace=${places.length > 0} />`}>
      ${(rows) => html`<${Table} caption="Schedules" rows=${rows} columns=${columns(places)} />`}
    <//>
    <h2 id="destinations">Destinations</h2>
    <${Listed} of=${destinations} what="the destinations" empty=${html`<${NoDestinations} />`}>
      ${(rows) => html`<${Table} caption="Destinations" rows=${rows} columns=${placeColumns(destinations.reload)} />`}
    <//>
    ${canWrite.value && html`<${DestinationForm} done=${destinations.reload} />`}
  <//>`;
}

const columns = (places) => [
  { name: "Schedule", wide: true, cell: (row) => html`<a href=${page(`/schedules/${row.id}`)}>${row.name}</a><small class="below">${aboutProjects(row)}</small>` },
  { name: "When", cell: (row) => html`<code>${row.cron}</code><small class="below">${row.time_zone}</small>` },
  { name: "Where", cell: (row) => whereOf(row, places) },
  { name: "Keeps", cell: (row) => aboutRetention(row.retention) },
  { name: "Next", cell: (row) => (row.paused ? html`<span class="state left-out"><span aria-hidden="true">‖</span> paused</span>` : html`<${Ago} at=${row.next_run_at} />`) },
];

function whereOf(row, places) {
  const nameOf = (id) => places.find((each) => each.id === id)?.name ?? `destination ${id}`;
  return row.source_id ? `from ${nameOf(row.source_id)} into ${row.into}` : nameOf(row.destination_id);
}

const placeColumns = (done) => [
  { name: "Name", cell: (row) => row.name },
  { name: "What it is", cell: (row) => ({ s3: "a bucket", gitlab: "a GitLab", crossdock: "a Crossdock" })[row.kind] },
  { name: "Where", wide: true, cell: (row) => (row.kind === "s3" ? `${row.endpoint ?? "AWS"}, ${row.bucket}${row.prefix ? `/${row.prefix}` : ""}` : row.url) },
  { name: "Encrypted", cell: (row) => (row.recipients?.length ? `for ${row.recipients.length}` : "no") },
  { name: "Actions", cell: (row) => canWrite.value && html`<${PlaceActions} place=${row} done=${done} />` },
];

function PlaceActions({ place, done }) {
  const address = own(`/destinations/${place.id}`);
  const remove = async () => {
    await send("DELETE", address);
    toast(`${place.name} is deleted.`);
    done();
  };
  return html`<div class="row">
    <${Act} act=${() => testPlace(place)} label="Test ${place.name}">Test<//>
    <${Ask} name="Delete" label="Delete ${place.name}" title="Delete ${place.name}?" yes="Delete" danger act=${remove}>
      <p>Its keys go with it. What lies there stays there.</p>
    <//>
  </div>`;
}

function NoSchedules({ hasPlace }) {
  return html`<${Empty} title="No schedules yet">
    <p>A schedule backs projects up again and again, and skips what has not changed.
      ${hasPlace ? " Make one by the button above, or run:" : " It needs a destination first:"}</p>
    ${!hasPlace && html`<${Command}>crossdock destinations create-s3 vault BUCKET --credentials keys.ini<//>`}
    <${Command}>crossdock schedules create nightly --to vault --cron '0 2 * * *' --all --keep-daily 7<//>
  <//>`;
}

function NoDestinations() {
  return html`<${Empty} title="No destinations yet">
    <p>A destination is a bucket, or another GitLab or Crossdock, that archives and projects go to.</p>
    <${Command}>crossdock destinations create-gitlab forge https://gitlab.example.com --token-of token.txt<//>
  <//>`;
}
