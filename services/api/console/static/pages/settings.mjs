// What holds on this server, for administrators: GitLab's names, what they mean, and a way to change them.
import { FormButton } from "../components/actions.mjs";
import { Loaded } from "../components/loaded.mjs";
import { Page } from "../components/page.mjs";
import { Command } from "../components/small.mjs";
import { Table } from "../components/table.mjs";
import { html } from "../html.mjs";
import { get, send } from "../http.mjs";
import { useLoaded } from "../loading.mjs";
import { gitlab } from "../place.mjs";
import { canWrite } from "../session.mjs";
import { isUsual, read, SETTINGS, told } from "../settings.mjs";
import { toast } from "../toasts.mjs";

const ADDRESS = gitlab("/application/settings");

export default function Settings() {
  const loaded = useLoaded((signal) => get(ADDRESS, { signal }));
  return html`<${Page} title="Settings">
    <p class="quiet">A change holds at once, for all processes and without a restart. Set addresses and keys as environment variables of the services.</p>
    <${Loaded} of=${loaded} what="the settings">
      ${(values) => html`<${Table} caption="Settings" rows=${SETTINGS} idOf=${(row) => row.name} columns=${columns(values, loaded.reload)} />`}
    <//>
    ${loaded.value && html`<h2>Do the same by command</h2>
    <${Command}>curl --request PUT --header "PRIVATE-TOKEN: $CROSSDOCK_TOKEN" "${location.origin}${ADDRESS}?max_import_size=1024"<//>`}
  <//>`;
}

const columns = (values, done) => [
  { name: "Setting", wide: true, cell: (row) => html`<strong>${row.title}</strong><small class="below">${row.means}</small><small class="below"><code>${row.name}</code></small>` },
  { name: "Now", cell: (row) => html`<span class=${isUsual(row, values[row.name]) ? "" : "left-out"}>${told(row, values[row.name])}</span>` },
  { name: "By default", cell: (row) => told(row, row.usual) },
  { name: "Actions", cell: (row) => canWrite.value && html`<${Change} setting=${row} value=${values[row.name]} done=${done} />` },
];

function Change({ setting, value, done }) {
  const act = async (form) => {
    await send("PUT", ADDRESS, { [setting.name]: read(setting, form) });
    toast(`${setting.title}: changed.`);
    done();
  };
  return html`<${FormButton} name="Change" label="Change ${setting.name}" title=${setting.title} yes="Change it" act=${act}>
    <p class="quiet">${setting.means}</p>
    <${Value} setting=${setting} value=${value} />
  <//>`;
}

function Value({ setting, value }) {
  if (typeof value === "boolean") {
    return html`<fieldset><legend class="sr-only">${setting.title}</legend>
      ${[true, false].map((each) => html`<label key=${each}><input type="radio" name="value" value=${String(each)} checked=${value === each} /> ${told(setting, each)}</label>`)}
    </fieldset>`;
  }
  if (Array.isArray(value)) {
    return html`<label>One a line<textarea name="value" rows="5" data-first>${value.join("\n")}</textarea></label>`;
  }
  const help = setting.none ? "0 is no limit." : null;
  return html`<label>${setting.unit}
    <input name="value" type="number" min="0" required data-first value=${value} aria-describedby=${help ? "value-help" : undefined} />
    ${help && html`<small id="value-help">${help}</small>`}
  </label>`;
}
