// What came of the jobs that somebody has asked for in this window, wherever in the console they are by then.
import { ENDED, explain } from "./words.mjs";
import { jobIdOf, loadJob } from "./jobs.mjs";
import { connection, onEvent } from "./live.mjs";
import { elsewhere, page } from "./place.mjs";
import { toast } from "./toasts.mjs";

const MOST = 100; // jobs; the one that was asked for first is forgotten
const STAYS = 20000;

const asked = new Map(); // by the id of a job: {what, isOver}
let isListening = false;

/** Say that a job has started, and how it ended when it has. `what` is such as "Export of a/b". */
export function tellOutcome(id, what) {
  if (!isListening) listen();
  asked.set(id, { what, isOver: false });
  if (asked.size > MOST) asked.delete(asked.keys().next().value);
  toast(`${what} started.`, { link: { href: page(`/jobs/${id}`), text: "Watch it" } });
}

/** Whether the end of a job is told here. */
export const isAsked = (id) => asked.has(id);

function listen() {
  isListening = true;
  onEvent((event) => {
    const id = jobIdOf(event);
    if (asked.has(id) && ENDED.has(event.data.job.state)) tell(id);
  });
  connection.subscribe(({ state }) => {
    if (state === "live") asked.forEach((each, id) => each.isOver || tell(id)); // events may have been missed
  });
}

async function tell(id) {
  const each = asked.get(id);
  const job = await loadJob(id).catch(() => null);
  if (!job || each.isOver || !ENDED.has(job.state)) return;
  each.isOver = true;
  VIEWS[job.state](each.what, job);
}

const VIEWS = {
  finished(what, job) {
    const address = job.archive?.download_url;
    const link = address ? { href: elsewhere(address), text: "Download", download: true } : linkTo(job, "Show it");
    toast(`${what} has finished.`, { link, stays: STAYS });
  },
  failed(what, job) {
    toast(`${what} failed. ${explain(job.error_code, job.error).means}`, { isError: true, link: linkTo(job, "What happened") });
  },
  canceled(what, job) {
    toast(`${what} was canceled.`, { link: linkTo(job, "Show it"), stays: STAYS });
  },
};

const linkTo = (job, text) => ({ href: page(`/jobs/${job.id}`), text });
