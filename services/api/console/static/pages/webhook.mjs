// One webhook: what it is told of, what was sent, and what its receiver answered.
import { useEffect, useState } from "preact/hooks";
import { Act, Ask, Once } from "../components/actions.mjs";
import { Listed, Loaded } from "../components/loaded.mjs";
import { Page } from "../components/page.mjs";
import { Ago, Facts, Notice } from "../components/small.mjs";
import { Table } from "../components/table.mjs";
import { duration, moment } from "../format.mjs";
import { html } from "../html.mjs";
import { get, send } from "../http.mjs";
import { useLoaded, useNews, useParts, useTimer } from "../loading.mjs";
import { page } from "../place.mjs";
import { go } from "../router.mjs";
import { canWrite } from "../session.mjs";
import { toast } from "../toasts.mjs";
import { addressOf, DELIVERY_STATES, eventsWord, HookState } from "../webhooks.mjs";

export default function Webhook({ project, id }) {
  const address = `${addressOf(project)}/${id}`;
  const hook = useLoaded((signal) => get(address, { signal }), [address]);
  const deliveries = useParts(`${address}/deliveries?per_page=20`);
  const [test, setTest] = useState(null);
  const reload = () => (hook.reload(), deliveries.reload());
  const tested = (delivery) => (setTest(delivery.id), reload());
  useNews(deliveries.reload, (event) => !event.type?.includes(".progress."));
  useTimer(reload, { seconds: 3, isOn: (deliveries.rows ?? []).some((each) => each.state === "pending") });
  const beside = hook.value && canWrite.value && html`<${Actions} hook=${hook.value} address=${address} project=${project} reload=${reload} tested=${tested} />`;
  return html`<${Page} title="Webhook ${id}" beside=${beside}>
    <${Loaded} of=${hook} what="the webhook">${(value) => html`<${About} hook=${value} project=${project} />`}<//>
    ${test && html`<${Test} key=${test} address=${`${address}/deliveries/${test}`} done=${reload} />`}
    <h2>Deliveries</h2>
    <${Listed} of=${deliveries} what="the deliveries" empty=${html`<p class="quiet">Nothing was sent yet. The next event of ${project === "all" ? "any project" : "the project"} is.</p>`}>
      ${(rows) => html`<${Table} caption="Deliveries, the newest first" rows=${rows} columns=${columns(address, deliveries.reload)} />`}
    <//>
    <p><a href=${page(project === "all" ? "/webhooks" : `/webhooks?project=${encodeURIComponent(project)}`)}>All webhooks here</a></p>
  <//>`;
}

// How a test ends, as soon as it does.
function Test({ address, done }) {
  const delivery = useLoaded((signal) => get(address, { signal }), [address]);
  const state = delivery.value?.state ?? "pending";
  useTimer(delivery.reload, { seconds: 1, isOn: state === "pending" });
  useEffect(() => state !== "pending" && done(), [state]);
  const { tone, text } = outcomeOf(state, delivery.value?.attempts.at(-1));
  return html`<div class="notice ${tone}" role="status">${text}</div>`;
}

function outcomeOf(state, last) {
  if (state === "pending") return { tone: "info", text: "The test is on its way." };
  const took = `after ${duration(last.seconds)}`;
  if (state === "delivered") return { tone: "success", text: `The receiver took the test: it answered ${last.status} ${took}.` };
  return { tone: "error", text: `The receiver did not take the test ${took}: ${last.error}. A test is sent once.` };
}

function Actions({ hook, address, project, reload, tested }) {
  const [secret, setSecret] = useState(null);
  const turn = async () => {
    await send("PUT", address, { enabled: !hook.enabled });
    reload();
  };
  const rotate = async () => setSecret((await send("POST", `${address}/rotate`, {})).secret);
  const remove = async () => {
    await send("DELETE", address);
    toast("The webhook is deleted.");
    go(project === "all" ? "/webhooks" : `/webhooks?project=${encodeURIComponent(project)}`);
  };
  const test = async () => tested(await send("POST", `${address}/test`));
  return html`<div class="row">
    ${hook.enabled && html`<${Act} act=${test}>Send a test<//>`}
    <${Act} act=${turn}>${hook.enabled ? "Switch off" : "Switch on"}<//>
    <${Ask} name="New secret" title="Make a new secret?" yes="Make it" act=${rotate}>
      <p>Messages are signed with the new one from then on. For a day they carry the signature of the old one as well.</p>
    <//>
    <${Ask} name="Delete" title="Delete this webhook?" yes="Delete" danger act=${remove}><p>What waits to be sent is not sent any more.</p><//>
    ${secret && html`<${Once} title="Secret of the webhook" secret=${secret} close=${() => setSecret(null)}>The receiver checks signatures with this secret.<//>`}
  </div>`;
}

function About({ hook, project }) {
  return html`
    ${!hook.enabled && html`<${Notice} tone="error">It is switched off. ${hook.disabled_reason}<//>`}
    ${hook.enabled && hook.failing_since && html`<${Notice} tone="warning">Nothing was taken since ${moment(hook.failing_since)}. Look at the last answers below.<//>`}
    <${Facts} facts=${[
      ["Address", html`${hook.url} <small>without what may be secret in it</small>`],
      ["State", html`<${HookState} hook=${hook} />`],
      ["Told of", eventsWord(hook.events)],
      ["Projects", project === "all" ? "all" : project],
      ["What for", hook.description],
      ["Made", moment(hook.created_at)],
    ].filter(([, value]) => value)} />`;
}

const columns = (address, done) => [
  { name: "Event", wide: true, cell: (row) => html`${nameOf(row.event)}<small class="below">${row.event.subject ?? ""}</small>` },
  { name: "State", cell: (row) => html`<${State} state=${row.state} />` },
  { name: "Answer", cell: (row) => answerOf(row) },
  { name: "When", cell: (row) => html`<${Ago} at=${row.created_at} />` },
  { name: "Actions", cell: (row) => canWrite.value && row.state !== "pending" && html`<${Again} row=${row} address=${address} done=${done} />` },
];

function State({ state }) {
  const { sign, word, tone } = DELIVERY_STATES[state];
  return html`<span class="state ${tone}"><span aria-hidden="true">${sign}</span> ${word}</span>`;
}

const nameOf = (event) => (event.type ?? "").replace("com.crossdock.", "").replace(/\.v\d+$/, "");

function answerOf(row) {
  const last = row.attempts.at(-1);
  if (!last) return "";
  const tries = row.attempts.length > 1 ? `, attempt ${row.attempts.length}` : "";
  return `${last.status ?? last.error}, ${duration(last.seconds)}${tries}`;
}

function Again({ row, address, done }) {
  const act = async () => {
    await send("POST", `${address}/deliveries/${row.id}/retry`);
    toast("It is sent again.");
    done();
  };
  return html`<${Act} act=${act} label="Send again: delivery ${row.id}">Send again<//>`;
}
