// A table that becomes a list of cards on phones.
import { html } from "../html.mjs";

const UNSEEN = "Actions"; // buttons say themselves what they do, and many rows have none; who hears the table is told

export const Heading = ({ name }) => (name === UNSEEN ? html`<span class="sr-only">${name}</span>` : name);

/**
 * `columns` are {name, cell(row), wide, end}; the first one is the heading of each card. `isSmall`: its columns fit
 * beside each other on a phone too, and it stays a table there.
 */
export function Table({ caption, columns, rows, isSmall = false, idOf = (row) => row.id }) {
  return html`<table class=${isSmall ? "small" : "cards"}>
    <caption class="sr-only">${caption}</caption>
    <thead><tr>${columns.map((each) => html`<th scope="col" key=${each.name} class=${classOf(each)}><${Heading} name=${each.name} /></th>`)}</tr></thead>
    <tbody>
      ${rows.map(
        (row) => html`<tr key=${idOf(row)} data-row>
          ${columns.map((each) => html`<td key=${each.name} data-name=${each.name} class=${classOf(each)}><div>${each.cell(row)}</div></td>`)}
        </tr>`,
      )}
    </tbody>
  </table>`;
}

const classOf = ({ wide, end }) => [wide && "grow", end && "end"].filter(Boolean).join(" ") || undefined;
