// Short messages about what somebody has just done. An error stays until it is closed, or the page is left.
import { signal } from "@preact/signals";

const MOST = 4;
const STAYS = 6000;

export const toasts = signal([]);

let number = 0;

/** Show a message; `link` is {href, text, download}. */
export function toast(text, { isError = false, link = null, stays = STAYS } = {}) {
  const each = { id: ++number, text, isError, link };
  toasts.value = [...toasts.value, each].slice(-MOST);
  if (!isError) setTimeout(() => closeToast(each.id), stays);
}

/** Show why something did not work. */
export const toastProblem = (problem) => toast(problem.message, { isError: true });

export function closeToast(id) {
  toasts.value = toasts.value.filter((each) => each.id !== id);
}

/** Close the errors: they were about a page that is left. */
export function closeProblems() {
  toasts.value = toasts.value.filter((each) => !each.isError);
}
