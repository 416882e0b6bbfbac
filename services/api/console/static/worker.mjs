// Shares one stream among all tabs: HTTP/1.1 gives a browser six connections to a server, and no seventh tab works.
import { Stream } from "./stream.mjs";

const MOST = 200; // tabs; the one that was silent for longest makes room
const ports = new Set();
const stream = new Stream((message) => ports.forEach((port) => port.postMessage(message)));

const orders = {
  open: ({ address }) => stream.open(address),
  close: () => stream.close(),
  retry: () => stream.retry(),
};

self.addEventListener("connect", ({ ports: [port] }) => {
  if (ports.size >= MOST) ports.delete(ports.values().next().value);
  port.onmessage = ({ data }) => {
    ports.delete(port);
    if (data.kind === "bye") {
      if (ports.size === 0) stream.close();
      return;
    }
    ports.add(port);
    orders[data.kind](data);
    port.postMessage(stream.status);
  };
});
