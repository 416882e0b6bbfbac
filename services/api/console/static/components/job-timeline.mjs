// The events of a job, as they are kept and as they come.
import { useEffect, useState } from "preact/hooks";
import { clock, inShort } from "../format.mjs";
import { html } from "../html.mjs";
import { jobIdOf } from "../jobs.mjs";
import { onEvent } from "../live.mjs";
import { own } from "../place.mjs";
import { PEER_AT_WORK } from "../words.mjs";

const MOST = 200;
const WORDS = {
  queued: ({ job }) => (job.retry_of ? `Asked for, as a retry of job ${job.retry_of}` : "Asked for"),
  started: ({ job }) => (job.attempt > 1 ? `Attempt ${job.attempt} started` : "Started"),
  retried: ({ error, error_code: code }) => {
    if (code === PEER_AT_WORK) return "Waits for the other server, which is at work";
    return `Waits for another attempt${error ? `: ${inShort(error)}` : ""}`;
  },
  finished: ({ failures }) => (failures ? `Finished, ${failures} left out` : "Finished"),
  failed: () => "Failed", // why stands at the top of the page
  canceled: ({ job }) => (job.canceled_by ? `Canceled by ${job.canceled_by.username}` : "Canceled"),
};

export function Timeline({ id }) {
  const [events, setEvents] = useState(null);
  useEffect(() => {
    const add = (more) => setEvents((before) => joined(before ?? [], more));
    const aborted = new AbortController();
    loadEvents(id, aborted.signal).then(add, () => add([]));
    const stop = onEvent((event) => jobIdOf(event) === id && add([event]));
    return () => (stop(), aborted.abort());
  }, [id]);
  if (events === null) return html`<p class="quiet" aria-busy="true">Loading what happened</p>`;
  if (events.length === 0) return html`<p class="quiet">Events are kept for some days; these are over.</p>`;
  return html`<ol class="facts timeline">
    ${events.map((event) => html`<li key=${event.id}><time datetime=${event.time}>${clock(event.time)}</time> ${wordsOf(event)}</li>`)}
  </ol>`;
}

/** The events up to now come as a stream that ends. */
async function loadEvents(id, signal) {
  const answer = await fetch(own(`/jobs/${id}/events?follow=false`), { signal, credentials: "same-origin" });
  if (answer.status !== 200) return [];
  const lines = (await answer.text()).split("\n").filter((line) => line.startsWith("data: "));
  return lines.map((line) => JSON.parse(line.slice(6)));
}

const nameOf = (event) => event.type.split(".").at(-2);

const wordsOf = (event) => WORDS[nameOf(event)]?.(event.data) ?? nameOf(event);

function joined(before, more) {
  const known = new Set(before.map((each) => each.id));
  const added = more.filter((each) => nameOf(each) in WORDS && !known.has(each.id));
  return [...before, ...added].sort((one, other) => Number(one.id) - Number(other.id)).slice(-MOST);
}
