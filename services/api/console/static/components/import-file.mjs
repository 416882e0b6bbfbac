// A file that somebody drops: uploaded at once, with pause, whatever happens to the connection.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { now } from "../clock.mjs";
import { ago, duration, rate, size, sizeOf } from "../format.mjs";
import { html } from "../html.mjs";
import { get } from "../http.mjs";
import { own } from "../place.mjs";
import { toastProblem } from "../toasts.mjs";
import { Upload } from "../upload.mjs";
import { Bar, Notice } from "./small.mjs";

export function FileSource({ upload }) {
  const take = (file) => {
    if (!file) return;
    upload.value = new Upload(file);
    upload.value.start().catch((problem) => upload.value?.fail(problem));
  };
  if (upload.value) return html`<${Sending} upload=${upload.value} forget=${() => (upload.value = null)} />`;
  return html`<${Drop} take=${take} /><${Unfinished} />`;
}

function Drop({ take }) {
  const isOver = useSignal(false);
  const drop = (event) => {
    event.preventDefault();
    isOver.value = false;
    take(event.dataTransfer.files[0]);
  };
  const over = (event) => {
    event.preventDefault();
    isOver.value = true;
  };
  return html`<label class="drop ${isOver.value ? "over" : ""}" onDrop=${drop} onDragOver=${over} onDragLeave=${() => (isOver.value = false)}>
    <strong>Drop project_export.tar.gz here</strong>
    <span>or <u>choose a file</u></span>
    <small>Any size. An upload goes on after a lost connection.</small>
    <input type="file" class="sr-only" accept=".gz,.tgz,application/gzip" onChange=${(event) => take(event.target.files[0])} />
  </label>`;
}

const WORDS = {
  sending: (upload) => sendingWords(upload),
  paused: (upload) => `Paused at ${sizeOf(upload.done.value, upload.file.size)}.`,
  done: (upload) => `${size(upload.file.size)} uploaded.`,
  stopped: (upload) => `${sizeOf(upload.done.value, upload.file.size)} uploaded.`,
  failed: (upload) => `${sizeOf(upload.done.value, upload.file.size)} uploaded.`,
};

function sendingWords({ done, rate: pace, file }) {
  const left = pace.value > 0 ? (file.size - done.value) / pace.value : null;
  const words = [`${sizeOf(done.value, file.size)} uploaded`, pace.value && rate(pace.value), left !== null && `${duration(left)} left`];
  return words.filter(Boolean).join(" · ");
}

function Sending({ upload, forget }) {
  const state = upload.state.value;
  const remove = () => upload.remove().then(forget, toastProblem);
  return html`<section class="empty upload">
    <div class="head">
      <h2>${upload.file.name}</h2>
      <div class="beside">
        ${state === "sending" && html`<button type="button" class="outline" onClick=${() => upload.pause().catch(toastProblem)}>Pause</button>`}
        ${state === "paused" && html`<button type="button" class="outline" onClick=${() => upload.resume().catch(toastProblem)}>Go on</button>`}
        <button type="button" class="outline" onClick=${remove}>Remove</button>
      </div>
    </div>
    <${Bar} label="Upload of ${upload.file.name}" value=${upload.done.value} max=${upload.file.size || 1} tone=${state === "done" ? "finished" : ""} />
    <p class="quiet moving">${WORDS[state](upload)}</p>
    ${state !== "done" && html`<p class="quiet">You may close this page and choose the same file again later.</p>`}
    <${Trouble} upload=${upload} />
  </section>`;
}

function Trouble({ upload }) {
  const state = upload.state.value;
  if (state !== "stopped" && state !== "failed") return null;
  const left = Math.max(0, Math.round((upload.next.value - now.value) / 1000));
  const why = state === "failed" ? upload.problem.value : `The upload stopped: the server does not answer. Trying again ${left ? `in ${duration(left)}` : "now"}.`;
  return html`<${Notice} tone="error">${why}${" "}
    <button type="button" class="plain" onClick=${() => upload.resume().catch(toastProblem)}>Try now</button>
  <//>`;
}

/** Uploads that the server still has, of which the browser may have forgotten the file. */
function Unfinished() {
  const uploads = useSignal([]);
  useEffect(() => {
    get(own("/uploads?per_page=5")).then((found) => (uploads.value = found), () => {});
  }, []);
  const open = uploads.value.filter((each) => each.length !== null && !each.partial && each.offset < each.length);
  if (open.length === 0) return null;
  return html`<${Notice}>
    <p><strong>Uploads that have not ended.</strong> Choose the same file to go on.</p>
    <ul>${open.map((each) => html`<li key=${each.id}>${each.filename ?? each.id}: ${sizeOf(each.offset, each.length)}, ${ago(each.created_at)}</li>`)}</ul>
  <//>`;
}
