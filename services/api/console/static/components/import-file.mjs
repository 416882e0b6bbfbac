// A file that somebody drops: uploaded at once, with pause, whatever happens to the connection.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { refusalOf } from "../archive-file.mjs";
import { now } from "../clock.mjs";
import { quoted } from "../commands.mjs";
import { ago, duration, rate, size, sizeOf } from "../format.mjs";
import { html } from "../html.mjs";
import { get } from "../http.mjs";
import { useLoaded } from "../loading.mjs";
import { own } from "../place.mjs";
import { toastProblem } from "../toasts.mjs";
import { forget, Upload } from "../upload.mjs";
import { Act } from "./actions.mjs";
import { Bar, Command, Notice } from "./small.mjs";

const BUSY = "Another file is here already. Import it or remove it first.";

/** `limits` are those of the server, once they are known. */
export function FileSource({ upload, limits }) {
  const refusal = useSignal(null);
  const take = async (files) => {
    refusal.value = await refusalOfAll(files, limits);
    if (refusal.value === null) upload.value = begun(files[0]);
  };
  const isOver = useDrops((files) => (upload.value ? toastProblem(new Error(BUSY)) : take(files)));
  if (upload.value) return html`<${Sending} upload=${upload.value} forget=${() => (upload.value = null)} /><${Check} name=${upload.value.file.name} />`;
  return html`<${Drop} take=${take} isOver=${isOver} refusal=${refusal.value} /><${Unfinished} /><${Check} />`;
}

async function refusalOfAll(files, limits) {
  if (files.length === 0) return "Nothing was dropped that could be read as a file.";
  if (files.length > 1) return "These are several files. Import one at a time: each becomes a project of its own.";
  return refusalOf(files[0], { largest: limits?.imports.upload_size ?? null });
}

function begun(file) {
  const upload = new Upload(file);
  upload.start();
  return upload;
}

/** Have files taken wherever on the page they are dropped: a browser would leave the page for them. Gives whether one is over it. */
function useDrops(take) {
  const isOver = useSignal(false);
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    const listeners = new AbortController();
    const listen = (name, act) => addEventListener(name, (event) => isOfFiles(event) && act(event), { signal: listeners.signal });
    listen("dragover", (event) => {
      event.preventDefault();
      isOver.value = true;
    });
    listen("dragleave", (event) => (isOver.value = event.relatedTarget !== null));
    listen("drop", (event) => {
      event.preventDefault();
      isOver.value = false;
      latest.current([...event.dataTransfer.files]);
    });
    return () => listeners.abort();
  }, []);
  return isOver.value;
}

const isOfFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");

function Drop({ take, isOver, refusal }) {
  const choose = (event) => {
    take([...event.target.files]);
    event.target.value = ""; // the same file may be chosen again
  };
  return html`<label class="drop ${isOver ? "over" : ""}">
    <strong>Drop project_export.tar.gz here</strong>
    <span>or <u>choose a file</u></span>
    <small>An upload goes on after a lost connection.</small>
    <input type="file" class="sr-only" accept=".gz,.tgz,application/gzip" onChange=${choose}
      aria-invalid=${refusal ? "true" : undefined} aria-describedby=${refusal ? "file-help" : undefined} />
  </label>
  ${refusal && html`<div class="notice error" id="file-help" role="alert">${refusal}</div>`}`;
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
    ${state !== "done" && html`<p class="quiet">The upload stops when you leave this page. Choose the same file again, and it goes on where it was.</p>`}
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
  const loaded = useLoaded((signal) => get(own("/uploads?per_page=5"), { signal }));
  const open = (loaded.value ?? []).filter((each) => each.length !== null && !each.partial && each.offset < each.length);
  if (open.length === 0) return null;
  return html`<${Notice}>
    <p><strong>Uploads that have not ended.</strong> Choose the same file to go on.</p>
    <ul>${open.map((each) => html`<li key=${each.id}><${Left} upload=${each} done=${loaded.reload} /></li>`)}</ul>
  <//>`;
}

function Left({ upload, done }) {
  const name = upload.filename ?? `upload ${upload.id}`;
  const act = () => forget(upload.id).then(done);
  return html`<div class="row">
    <span>${name}: ${sizeOf(upload.offset, upload.length)}, ${ago(upload.created_at)}</span>
    <${Act} label="Forget ${name}" act=${act}>Forget it<//>
  </div>`;
}

/** What an import would leave out is known to whoever reads the whole file, where it is. */
function Check({ name = "project_export.tar.gz" }) {
  return html`<h2>Check it first</h2>
    <p class="quiet">On your machine, without a server: this reads the whole archive as an import does, and says what an import would leave out.</p>
    <${Command}>crossdock verify ${quoted(name.startsWith("-") ? `./${name}` : name)}<//>`;
}
