// The form of a new schedule.
import { useState } from "preact/hooks";
import { html } from "../html.mjs";
import { send } from "../http.mjs";
import { own } from "../place.mjs";
import { toast } from "../toasts.mjs";
import { Choice, Field, FormButton } from "./actions.mjs";

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const WHENS = [["0 2 * * *", `every night at 2:00 (${ZONE})`], ["@hourly", "every hour"], ["@weekly", "every week"], ["", "other times"]];
const KEPT = 7; // days, unless somebody says otherwise
const WHATS = [["all", "all projects that I may export"], ["group", "the projects of a group"], ["projects", "one project"]];

export function ScheduleForm({ places, done }) {
  const act = async (form) => {
    const made = await send("POST", own("/schedules"), orderOf(form));
    toast(`${made.name} is made.`);
    done();
  };
  return html`<${FormButton} name="New schedule" title="New schedule" yes="Make it" main act=${act}>
    <${Field} name="name" label="Name" required data-first autocomplete="off" />
    <${When} />
    <${What} />
    <${Where} places=${places} />
  <//>`;
}

/** Of what goes into a bucket the old can be deleted; another GitLab or Crossdock gets projects, which stay. */
function Where({ places }) {
  const [chosen, choose] = useState(String(places[0].id));
  const { kind } = places.find((each) => String(each.id) === chosen);
  return html`
    <${Choice} name="destination_id" label="Where" chosen=${chosen} options=${places.map((each) => [String(each.id), each.name])} onChange=${(event) => choose(event.target.value)} />
    ${kind === "s3" && html`<${Field} name="daily" label="Keep the newest of so many days" type="number" min="0" max="10000" value=${KEPT} help="0 keeps everything." />`}
  `;
}

function orderOf(form) {
  const what = form.get("what");
  const about = { all: { all: true }, group: { group: form.get("path") }, projects: { projects: [form.get("path")] } }[what];
  const daily = Number(form.get("daily"));
  return {
    name: form.get("name").trim(),
    destination_id: Number(form.get("destination_id")),
    cron: form.get("cron") || form.get("when"),
    time_zone: ZONE,
    retention: daily ? { daily } : {},
    ...about,
  };
}

function When() {
  const [chosen, choose] = useState(WHENS[0][0]);
  return html`
    <${Choice} name="when" label="When" chosen=${chosen} options=${WHENS} onChange=${(event) => choose(event.target.value)} />
    ${chosen === "" && html`<${Field} name="cron" label="A line of cron" required placeholder="30 1 * * 1-5" help="Minute, hour, day, month, day of the week. Times are of ${ZONE}." />`}
  `;
}

function What() {
  const [chosen, choose] = useState("all");
  return html`
    <${Choice} name="what" label="What" chosen=${chosen} options=${WHATS} onChange=${(event) => choose(event.target.value)} />
    ${chosen !== "all" && html`<${Field} name="path" label="Its path" required placeholder=${chosen === "group" ? "platform" : "platform/one"} />`}
  `;
}
