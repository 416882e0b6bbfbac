// Who the people of an archive are: rows that one fills in, or a file.
import { useSignal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import { counted, size } from "../format.mjs";
import { html } from "../html.mjs";
import { LARGEST, MOST_SHOWN, accountOf, nameOf, rowWith, rowsOf, sentOf } from "../people-map.mjs";
import { Table } from "./table.mjs";

/** What the form begins with: rows, and a file that is too long to be edited. */
export const NOBODY = { rows: [], file: null };

/** The API's parameters for what was filled in. */
export function peopleGiven({ rows, file }) {
  if (file) return { people: file.text };
  return rows.length > 0 ? { people: sentOf(rows) } : {};
}

/** `people` is a signal. Archives can make members too, `mayJoin` says. */
export function People({ people, mayJoin, wrong }) {
  const { rows, file } = people.value;
  const focused = useSignal(null);
  useLayoutEffect(() => {
    // before the next key comes: Enter in a field that has the focus still would send the form
    document.getElementById(focused.value)?.focus();
  }, [focused.value]);
  const named = rows.filter((each) => each.gitlab_username || each.gitlab_public_email).length;
  const edit = editing(people, focused);
  return html`<details class="help people" open=${Boolean(wrong) || undefined}>
    <summary>People${file ? " (by a file)" : named ? ` (${counted(named, "is named", "are named")})` : ""}</summary>
    <p>Say who somebody in the archive is at the GitLab that later exports are for: GitLab knows people by their public e-mail.
      Whom you leave out stays as the archive has it.</p>
    ${rows.length > 0 && html`<${Table} caption="People" rows=${rows} columns=${columnsOf(rows, edit)} idOf=${(row) => row.key} />`}
    ${file && html`<p class="row"><span>${file.name}: ${size(file.text.length)}, sent as it is.</span>
      <button type="button" class="outline" onClick=${() => (people.value = NOBODY)}>Remove the file</button></p>`}
    <div class="row">
      ${!file && html`<button type="button" class="outline" id="add-person" onClick=${edit.add}>Add a person</button>`}
      <${FromFile} people=${people} />
    </div>
    ${wrong && html`<p class="wrong" role="alert">${wrong}</p>`}
    ${mayJoin && html`<label class="check"><input type="checkbox" name="import_members" /> <span>Make users of this server members, where they were members of the archive</span></label>`}
  </details>`;
}

/** What can be done to the rows; `focused` gets the id of the element that has the focus then. */
function editing(people, focused) {
  const keep = (rows) => (people.value = { rows, file: null });
  return {
    add() {
      const row = rowWith();
      keep([...people.value.rows, row]);
      focused.value = `person-${row.key}`;
    },
    change: (key, values) => keep(people.value.rows.map((each) => (each.key === key ? { ...each, ...values } : each))),
    remove(key) {
      const { rows } = people.value;
      const at = rows.findIndex((each) => each.key === key);
      keep(rows.filter((each) => each.key !== key));
      const next = rows[at + 1] ?? rows[at - 1];
      focused.value = next ? `remove-${next.key}` : "add-person";
    },
  };
}

function columnsOf(rows, edit) {
  const numberOf = (row) => rows.indexOf(row) + 1;
  const cell = (row, label, more) => html`<${Cell} label="${label}, row ${numberOf(row)}" add=${edit.add} ...${more} />`;
  const target = (member, label, placeholder) => (row) =>
    cell(row, label, { value: row[member], placeholder, onInput: (event) => edit.change(row.key, { [member]: event.target.value }) });
  return [
    { name: "In the archive", cell: (row) => (row.isFixed ? nameOf(row) : cell(row, "User name or id in the archive", account(row, edit))) },
    { name: "Public e-mail there", cell: target("gitlab_public_email", "Public e-mail at the GitLab", "ann@example.com") },
    { name: "User name there", cell: target("gitlab_username", "User name at the GitLab", "ann") },
    { name: "Actions", cell: (row) => html`<button type="button" class="plain" id="remove-${row.key}" aria-label="Remove row ${numberOf(row)}" onClick=${() => edit.remove(row.key)}>Remove</button>` },
  ];
}

const account = (row, edit) => ({
  id: `person-${row.key}`, placeholder: "user name or id", value: row.source_username || row.source_user_identifier,
  onInput: (event) => edit.change(row.key, accountOf(event.target.value)),
});

/** A field in a row. Enter makes another row: the form is sent by its button. */
function Cell({ label, add, ...rest }) {
  const key = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    add();
  };
  return html`<input aria-label=${label} autocomplete="off" onKeyDown=${key} ...${rest} />`;
}

function FromFile({ people }) {
  const problem = useSignal(null);
  const read = async (event) => {
    const [file] = event.target.files;
    problem.value = null;
    try {
      if (file) people.value = await peopleOf(file);
    } catch (error) {
      problem.value = error.message;
    }
    event.target.value = ""; // the same file may be chosen again
  };
  return html`<label class="from-file">Take a map from a file (CSV or JSON)
    <input type="file" accept=".csv,.json,text/csv,application/json" onChange=${read} aria-describedby=${problem.value ? "people-file" : undefined} />
    ${problem.value && html`<small class="wrong" id="people-file" role="alert">${problem.value}</small>`}
  </label>`;
}

async function peopleOf(file) {
  if (file.size > LARGEST) throw new Error(`A map of people may have at most ${size(LARGEST)}.`);
  const text = await file.text();
  const rows = rowsOf(text);
  return rows.length > MOST_SHOWN ? { rows: [], file: { name: file.name, text } } : { rows, file: null };
}
