// The map of people, in the columns of GitLab's placeholder reassignment: read from a file, and as rows to be edited.
export const LARGEST = 1024 * 1024; // bytes, as the server has it
export const MOST_SHOWN = 200; // rows that one edits by hand; a longer map is sent as its file has it

const MEMBERS = [
  "source_host", "import_type", "source_user_identifier", "source_user_name", "source_username", "gitlab_username", "gitlab_public_email",
];
const CELL = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r?\n|$)/y;
const FORMULA = /^'(?=[=+\-@;])/; // spreadsheets were kept from computing what follows

let number = 0;

/** A row, whose key stays the same while its values change. */
export const rowWith = (values = {}) => ({ ...Object.fromEntries(MEMBERS.map((name) => [name, ""])), ...values, key: (number += 1) });

/** The rows of a CSV or JSON. Throws an Error with a sentence. */
export function rowsOf(text) {
  const rows = text.trimStart().startsWith("[") ? ofJson(text) : ofCsv(text.replace(/^\ufeff/, ""));
  return rows.map((values) => rowWith({ ...chosen(values), isFixed: true }));
}

/** What the API takes of rows. */
export const sentOf = (rows) => rows.map(chosen);

const chosen = (values) => Object.fromEntries(MEMBERS.map((name) => [name, String(values[name] ?? "").trim()]));

/** Who a row is about, for people to read. */
export function nameOf(row) {
  const words = [row.source_user_name, row.source_username && `@${row.source_username}`];
  const known = words.filter(Boolean).join(" ");
  return known || `id ${row.source_user_identifier}`;
}

/** The account that somebody has typed: digits are an id. */
export const accountOf = (text) =>
  /^\d+$/.test(text.trim()) ? { source_user_identifier: text, source_username: "" } : { source_user_identifier: "", source_username: text.replace(/^\s*@/, "") };

function ofJson(text) {
  try {
    const rows = JSON.parse(text);
    if (Array.isArray(rows) && rows.every((each) => each && typeof each === "object")) return rows;
  } catch {
    // told below
  }
  throw new Error("The file is not a list of rows in JSON.");
}

function ofCsv(text) {
  const [header, ...rows] = cellsOf(text);
  const names = (header ?? []).map((name) => name.trim().toLowerCase().replaceAll(" ", "_"));
  const lacking = ["source_user_identifier", "gitlab_username", "gitlab_public_email"].filter((name) => !names.includes(name));
  if (lacking.length > 0) throw new Error(`The file lacks columns of GitLab's map of people: ${lacking.join(", ").replaceAll("_", " ")}.`);
  return rows.map((cells) => Object.fromEntries(names.map((name, n) => [name, (cells[n] ?? "").replace(FORMULA, "")])));
}

/** The cells of each line that has any. */
function cellsOf(text) {
  const rows = [[]];
  CELL.lastIndex = 0;
  for (let end = ","; end !== ""; ) {
    const found = CELL.exec(text);
    if (!found) throw new Error(`The file is not a CSV: line ${rows.length} has a quotation mark that is not closed.`);
    rows.at(-1).push(found[1].startsWith('"') ? found[1].slice(1, -1).replaceAll('""', '"') : found[1]);
    end = found[2];
    if (end !== ",") rows.push([]);
  }
  return rows.filter((cells) => cells.some(Boolean));
}
