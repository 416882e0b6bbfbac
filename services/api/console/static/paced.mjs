// Has done at once what news ask for, and seldom where they are many.
const AT_ONCE = 4; // a job that is asked for, starts and ends is three news

/**
 * Give {ask, stop}: `ask` has `act` called at once, but one call after the other, at most AT_ONCE in a row, and then
 * one in `pause` milliseconds. What is asked for meanwhile is one call more. `stop` forgets that.
 */
export function paced(act, pause) {
  let due = 0; // when the next call would come if all came evenly
  let timer = null;
  let isBusy = false;
  let isAsked = false;
  const call = async () => {
    timer = null;
    isAsked = false;
    isBusy = true;
    due = Math.max(performance.now(), due) + pause;
    try {
      await act();
    } finally {
      isBusy = false;
      if (isAsked) ask();
    }
  };
  const ask = () => {
    isAsked = true;
    if (isBusy || timer !== null) return;
    const wait = due - (AT_ONCE - 1) * pause - performance.now();
    if (wait > 0) timer = setTimeout(call, wait);
    else call();
  };
  const stop = () => {
    clearTimeout(timer);
    timer = null;
    isAsked = false;
  };
  return { ask, stop };
}
