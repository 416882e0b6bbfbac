// A resumable upload (tus 1.0) of one file, which goes on where it was: after a pause, a lost connection, a new page.
import { signal } from "@preact/signals";
import { own, vendored } from "./place.mjs";
import { loadSession, user } from "./session.mjs";

const CHUNK = 64 * 1024 * 1024; // proxies limit bodies, and a lost chunk costs at most this
const DELAYS = [0, 1000, 3000, 5000, 10000, 20000, ...Array(30).fill(30000)];
const WINDOW = 5000; // of the rate
const HEADERS = { "X-Crossdock-Console": "1" };

/** Delete what the server has of an upload that nobody goes on with. */
export async function forget(id) {
  await (await client()).terminate(own(`/uploads/${id}`), { headers: HEADERS });
}

async function client() {
  await import(vendored("tus.min.js")); // no module: it sets window.tus
  return globalThis.tus.Upload;
}

/** What whoever waits for the end of an upload gets when somebody has removed it. */
export class Removed extends Error {}

/** Another page of this browser sends the same file. */
class SentElsewhere extends Error {}

export class Upload {
  /** "sending", "paused", "stopped" (trying again at `next`), "failed" or "done". */
  state = signal("sending");
  done = signal(0);
  rate = signal(null);
  next = signal(null);
  problem = signal(null);

  constructor(file) {
    this.file = file;
    this.id = null;
    this.key = newKey();
    this.isRemoved = false;
    this.release = null;
    this.samples = [];
    this.ended = new Promise((resolve, reject) => Object.assign(this, { finish: resolve, forget: reject }));
    this.ended.catch(() => {}); // nobody may wait for it
  }

  /** Begin, or go on where an earlier upload of the same file ended. What keeps it from that is in `problem`. */
  async start() {
    try {
      this.sender = new (await client())(this.file, this.options());
      const [before] = await this.sender.findPreviousUploads();
      if (before) this.sender.resumeFromPreviousUpload(before);
      if (this.state.value === "sending" && !this.isRemoved) await this.send();
    } catch (problem) {
      this.fail(problem);
    }
  }

  options() {
    return {
      endpoint: own("/uploads"),
      chunkSize: CHUNK,
      retryDelays: DELAYS,
      headers: HEADERS,
      metadata: { filename: this.file.name, filetype: "application/gzip" },
      removeFingerprintOnSuccess: true,
      onBeforeRequest: (request) => this.before(request),
      onUploadUrlAvailable: () => this.know(),
      onProgress: (done) => this.progress(done),
      onShouldRetry: (error, attempt) => this.again(error, attempt),
      onError: (error) => this.fail(error),
      onSuccess: () => this.succeed(),
    };
  }

  async send() {
    this.samples = [];
    this.state.value = "sending";
    if (!(await this.hold())) return this.fail(new SentElsewhere("Another tab sends this file. It goes on there."));
    if (this.state.value === "sending" && !this.isRemoved) this.sender.start();
    else this.release?.();
  }

  /** Hold the file for this page while it is sent: two pages would throw each other out. False where another has it. */
  hold() {
    if (!navigator.locks || this.release) return true; // pages that did not come over HTTPS have no locks
    const { name, size, lastModified } = this.file;
    const until = new Promise((resolve) => (this.release = () => (resolve(), (this.release = null))));
    return new Promise((tell) => {
      navigator.locks.request(`upload of ${name} ${size} ${lastModified}`, { ifAvailable: true }, (lock) => {
        if (!lock) this.release = null;
        tell(lock !== null);
        return lock && until;
      });
    });
  }

  /** A creation whose answer was lost is asked for again by the same key: it made the one upload. */
  before(request) {
    if (request.getMethod() === "POST") request.setHeader("Idempotency-Key", this.key);
  }

  /** The upload has an address. Stopped before, it would stay at the server, and nobody could go on with it. */
  know() {
    this.key = newKey();
    if (this.isRemoved || this.state.value === "paused") this.sender.abort(this.isRemoved).catch(() => {});
  }

  progress(done) {
    const at = Date.now();
    this.samples = [...this.samples.filter((each) => each.at > at - WINDOW), { at, done }].slice(-200);
    const [first] = this.samples;
    this.rate.value = at > first.at ? ((done - first.done) * 1000) / (at - first.at) : this.rate.value;
    this.done.value = done;
    this.state.value = "sending";
  }

  again(error, attempt) {
    if (this.isRemoved) return false;
    const status = error.originalResponse?.getStatus() ?? 0;
    if (status >= 400 && status < 500 && status !== 409 && status !== 423) return false;
    if (this.state.value === "paused") return true;
    this.next.value = Date.now() + (DELAYS[attempt] ?? 30000);
    this.rate.value = null;
    this.state.value = "stopped";
    return true;
  }

  fail(error) {
    this.release?.();
    this.problem.value = messageOf(error);
    this.state.value = "failed";
  }

  succeed() {
    this.release?.();
    this.id = Number(this.sender.url.split("/").pop());
    this.done.value = this.file.size;
    this.state.value = "done";
    this.finish(this.id);
  }

  /** Stop for now: at once where the upload has an address, else when it has one. */
  async pause() {
    this.rate.value = null;
    this.state.value = "paused";
    if (this.sender?.url) await this.sender.abort();
    this.release?.();
  }

  /** Go on. Who was signed out meanwhile would lose the upload: it is asked first. */
  async resume() {
    await loadSession();
    if (!user.value) return;
    this.state.value = "sending";
    if (!this.sender) return this.start();
    await this.sender.abort();
    await this.send();
  }

  /** Stop, and delete what the server has of it. */
  async remove() {
    this.isRemoved = true;
    this.forget(new Removed());
    if (this.sender?.url) await this.sender.abort(true).catch(() => {});
    this.release?.();
  }
}

/** As random as a UUID, which browsers make only for pages that came over HTTPS. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (each) => each.toString(16).padStart(2, "0")).join("");
}

function messageOf(error) {
  if (error instanceof SentElsewhere) return error.message;
  const body = error.originalResponse?.getBody();
  try {
    return JSON.parse(body).detail ?? error.message;
  } catch {
    return error.originalResponse ? `The server answered ${error.originalResponse.getStatus()}.` : "The server does not answer.";
  }
}
