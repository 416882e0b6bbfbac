// What is open over a page goes when somebody presses Escape, or clicks beside it.
import { useEffect, useRef } from "preact/hooks";

/** Call `close` then, with whether it was by the key; `place` is a ref of what stays open under clicks. */
export function useDismiss(place, close) {
  const latest = useRef(close);
  latest.current = close;
  useEffect(() => {
    const dismiss = (event) => {
      if (event.type === "keydown" ? event.key === "Escape" : !place.current?.contains(event.target)) {
        latest.current(event.type === "keydown");
      }
    };
    addEventListener("click", dismiss);
    addEventListener("keydown", dismiss);
    return () => {
      removeEventListener("click", dismiss);
      removeEventListener("keydown", dismiss);
    };
  }, []);
}
