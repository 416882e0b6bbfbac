// Messages that could not be processed: why, and what may be done with them.
import { counted, size } from "../format.mjs";
import { html } from "../html.mjs";
import { send } from "../http.mjs";
import { own } from "../place.mjs";
import { canWrite, session } from "../session.mjs";
import { slotWord } from "../system.mjs";
import { toast } from "../toasts.mjs";
import { Act, Ask } from "./actions.mjs";
import { Loaded } from "./loaded.mjs";
import { Command } from "./small.mjs";
import { Table } from "./table.mjs";

export const DEAD_LETTERS = own("/system/dead-letters");

/** `of` is what was loaded from there. */
export function DeadLetters({ of }) {
  return html`<h2 id="dead-letters">Dead letters</h2>
    <${Loaded} of=${of} what="the dead letters">${(value) => html`<${Letters} value=${value} done=${of.reload} />`}<//>`;
}

function Letters({ value, done }) {
  const rows = value.dead_letters.map((each, number) => ({ ...each, number }));
  if (rows.length === 0) return html`<p class="quiet">None. A message that no worker could process would stand here.</p>`;
  return html`
    <${Table} caption="Dead letters" rows=${rows} idOf=${(row) => row.number} columns=${columns(done)} />
    ${value.partial && html`<p class="quiet">These are the first ${rows.length}; there are more.</p>`}
    ${session.value?.standalone
      ? html`<p class="quiet">A standalone keeps them in its memory: there is no command for them, and they are gone when it ends.</p>`
      : html`<p class="quiet">The same by command:</p><${Command}>crossdock dead-letters list ${rows[0].queue}<//>`}`;
}

const columns = (done) => [
  { name: "Queue", cell: (row) => slotWord(row.queue) },
  { name: "Why", wide: true, cell: (row) => html`${row.reason}<details><summary>Message, ${size(row.size)}</summary><pre tabindex="0">${row.body}</pre></details>` },
  { name: "Actions", cell: (row) => canWrite.value && html`<${Actions} row=${row} done=${done} />` },
];

/** A message without an id of its own is not told from others: then all of its queue are meant. */
function Actions({ row, done }) {
  const chosen = { queue: row.queue, ...(row.id && { id: row.id }) };
  const what = row.id ? "this message" : `all messages of ${row.queue}`;
  const replay = async () => {
    const { replayed } = await send("POST", `${DEAD_LETTERS}/replay`, chosen);
    toast(`${counted(replayed, "message")} sent again.`);
    done();
  };
  const discard = async () => {
    const { discarded } = await send("POST", `${DEAD_LETTERS}/discard`, chosen);
    toast(`${counted(discarded, "message")} dropped.`);
    done();
  };
  return html`<div class="row">
    <${Act} act=${replay} label="Replay ${what}">Replay<//>
    <${Ask} name="Drop" label="Drop ${what}" title="Drop ${what}?" yes="Drop" danger act=${discard}>
      <p>Nobody can bring it back. What it asked for is not done.</p>
    <//>
  </div>`;
}
