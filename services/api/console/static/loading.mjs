// Data that a page loads when it opens, and again when it is told to or when it hears of news.
import { useEffect, useRef, useState } from "preact/hooks";
import { getPart } from "./http.mjs";
import { connection, onEvent } from "./live.mjs";
import { paced } from "./paced.mjs";
import { ENDED } from "./words.mjs";

const PAUSE = 1500; // between loads because of news, where these are many

/** Load a value: {value, problem, reload}. While it is loaded anew, the value before stays. */
export function useLoaded(load, keys = []) {
  const [state, setState] = useState({ value: null, problem: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const aborted = new AbortController();
    load(aborted.signal).then(
      (value) => setState({ value, problem: null }),
      (problem) => problem.name !== "AbortError" && setState((before) => ({ ...before, problem })),
    );
    return () => aborted.abort();
  }, [...keys, turn]);
  return withReload(state, setTurn);
}

/** A state with the function that loads it anew. What the server did not answer is loaded when it is heard again. */
function withReload(state, setTurn) {
  const reload = () => setTurn((number) => number + 1);
  const isSilent = state.problem?.status === 0;
  useEffect(() => (isSilent ? onceHeard(reload) : undefined), [isSilent]);
  return { ...state, reload };
}

/** Call `act` whenever the connection comes back. Gives the function that ends it. */
function onceHeard(act) {
  let before = connection.peek().state;
  return connection.subscribe(({ state }) => {
    if (state === "live" && before !== "live") act();
    before = state;
  });
}

/**
 * Load a list by parts: {rows, next, busy, problem, more, reload}. Without an address, nothing is loaded.
 * Loaded anew, it has as many rows as before: whoever has asked for more keeps that.
 */
export function useParts(address) {
  const [list, setList] = useState({ rows: null, next: null, problem: null, busy: false });
  const [turn, setTurn] = useState(0);
  const shown = useRef({ address: null, number: 0 });
  const load = async (rows, next, { least = 0, signal } = {}) => {
    try {
      do {
        const part = await getPart(next ? `${address}${address.includes("?") ? "&" : "?"}${next}` : address, { signal });
        rows = [...rows, ...part.items];
        next = nextOf(part);
      } while (next && rows.length < least);
      shown.current = { address, number: rows.length };
      setList({ rows, next, problem: null, busy: false });
    } catch (problem) {
      if (problem.name !== "AbortError") setList((before) => ({ ...before, problem, busy: false }));
    }
  };
  useEffect(() => {
    const aborted = new AbortController();
    const least = shown.current.address === address ? shown.current.number : 0;
    if (address) load([], null, { least, signal: aborted.signal });
    return () => aborted.abort();
  }, [address, turn]);
  const more = () => {
    setList((before) => ({ ...before, busy: true }));
    load(list.rows, list.next);
  };
  return { ...withReload(list, setTurn), more };
}

/** Our own lists go on behind a cursor, those of GitLab's API with a number. */
function nextOf({ next, headers }) {
  if (next) return `cursor=${encodeURIComponent(next)}`;
  const number = headers.get("X-Next-Page");
  return number ? `page=${number}` : null;
}

/** Whether an event tells that a job has ended. */
export const isEnd = (event) => ENDED.has(event.data?.job?.state);

/** Call `reload` at each event that is news; `paced` says how often at most. */
export function useNews(reload, isNews = isEnd) {
  const latest = useRef(reload);
  latest.current = reload;
  useEffect(() => {
    const loads = paced(() => latest.current(), PAUSE);
    const stop = onEvent((event) => isNews(event) && loads.ask());
    return () => (stop(), loads.stop());
  }, []);
}

/** Call `reload` every few seconds while `isOn`, and somebody can see the page. */
export function useTimer(reload, { seconds, isOn = true }) {
  const latest = useRef(reload);
  latest.current = reload;
  useEffect(() => {
    if (!isOn) return undefined;
    const timer = setInterval(() => document.hidden || latest.current(), seconds * 1000);
    return () => clearInterval(timer);
  }, [seconds, isOn]);
}
