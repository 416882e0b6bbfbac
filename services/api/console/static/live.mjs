// The event stream of this tab: that of the shared worker, or its own where there is none.
import { effect, signal } from "@preact/signals";
import { asset, own } from "./place.mjs";
import { loadSession, user } from "./session.mjs";
import { Stream } from "./stream.mjs";

/** {state, heard, next}: see stream.mjs. */
export const connection = signal({ state: "closed", heard: null, next: null });

const listeners = new Set();

/** Hear all events from now on. Gives the function that ends it. */
export function onEvent(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

let order = () => {};

/** Try to connect again at once. */
export const reconnect = () => order({ kind: "retry" });

function take(message) {
  if (message.kind === "state") {
    const { state, heard, next } = message;
    connection.value = { state, heard, next };
    if (state === "ended" && user.value) loadSession().catch(() => {}); // the page is then that of the sign-in
    return;
  }
  listeners.forEach((listener) => listener(message.event));
}

/** Follow who is signed in: their events, or none. */
export function follow() {
  order = globalThis.SharedWorker ? shareStream() : ownStream();
  const say = () => order(user.value ? { kind: "open", address: own("/events") } : { kind: "close" });
  effect(say);
  addEventListener("pagehide", () => order({ kind: "bye" }));
  addEventListener("pageshow", (event) => event.persisted && say());
}

function shareStream() {
  const { port } = new SharedWorker(trusted(asset("worker.mjs")), { type: "module", name: "crossdock" });
  port.onmessage = ({ data }) => take(data);
  return (message) => port.postMessage(message);
}

function trusted(address) {
  const policy = globalThis.trustedTypes?.createPolicy("crossdock", { createScriptURL: () => asset("worker.mjs") });
  return policy ? policy.createScriptURL(address) : address;
}

// A hidden tab gives its connection back. It goes on behind its last event when somebody looks at it again.
function ownStream() {
  const stream = new Stream(take);
  let address = null;
  const orders = {
    open: (given) => stream.open((address = given.address)),
    close: () => stream.close((address = null)),
    retry: () => stream.retry(),
    bye: () => stream.stop(),
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stream.stop();
    else if (address) stream.connect();
  });
  return (message) => orders[message.kind](message);
}
