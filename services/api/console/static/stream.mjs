// One event stream, which goes on behind the last event however often the connection is lost.
//
// It tells "live", "lost" (with the time of the next try), "crowded" (too many streams of one user), "ended" (nobody
// is signed in any more) and "closed". A stream that the server ends in its time, and that is back within PATIENCE,
// is no news.
const PATIENCE = 4000;
const FIRST = 2000;
const LONGEST = 30000;

export class Stream {
  /** `tell` gets {kind: "state", ...} and {kind: "event", ...}. */
  constructor(tell) {
    this.tell = tell;
    this.address = null;
    this.source = null;
    this.last = null;
    this.pause = FIRST;
    this.status = { kind: "state", state: "closed", heard: null, next: null };
  }

  /** Open the stream, unless it is open at this address already. */
  open(address) {
    if (this.address === address && this.status.state !== "ended") return;
    this.close();
    this.address = address;
    this.connect();
  }

  /** Close it for good. The next one begins anew. */
  close() {
    this.stop();
    this.address = this.last = null;
    this.change("closed");
  }

  /** Try again at once. */
  retry() {
    if (!this.address || this.status.state === "live") return;
    this.stop();
    this.connect();
  }

  stop() {
    clearTimeout(this.timer);
    clearTimeout(this.worry);
    this.worry = null;
    this.source?.close();
    this.source = null;
  }

  connect() {
    const behind = this.last === null ? "" : `&after=${this.last}`;
    const source = (this.source = new EventSource(`${this.address}?as=message${behind}`));
    source.onopen = () => this.live();
    source.onmessage = (message) => this.hear(message);
    source.onerror = () => this.fail(source);
  }

  live() {
    clearTimeout(this.worry);
    this.worry = null;
    this.pause = FIRST;
    this.change("live");
  }

  hear(message) {
    this.last = message.lastEventId || this.last;
    this.status.heard = Date.now();
    this.tell({ kind: "event", event: JSON.parse(message.data) });
  }

  fail(source) {
    if (source !== this.source) return;
    if (source.readyState === EventSource.CONNECTING) {
      this.worry ??= setTimeout(() => this.change("lost", Date.now() + FIRST), PATIENCE);
      return;
    }
    this.ask(); // the answer was no stream, for which a browser does not try again
  }

  async ask() {
    this.stop();
    const asked = this.address;
    const answer = await fetch(asked, { method: "HEAD", credentials: "same-origin" }).catch(() => null);
    if (asked !== this.address) return;
    if (answer?.status === 401 || answer?.status === 403) {
      this.change("ended");
      return;
    }
    const told = Number(answer?.headers.get("Retry-After")) * 1000;
    this.later(answer?.status === 429 ? "crowded" : "lost", Math.min(told || this.pause, 10 * LONGEST));
  }

  later(state, pause) {
    this.pause = Math.min(this.pause * 2, LONGEST);
    this.timer = setTimeout(() => this.connect(), pause);
    this.change(state, Date.now() + pause);
  }

  change(state, next = null) {
    this.status = { kind: "state", state, heard: this.status.heard ?? Date.now(), next };
    if (state === "live") this.status.heard = Date.now();
    this.tell(this.status);
  }
}
