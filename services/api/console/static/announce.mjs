// The live region: ends of jobs for who cannot see them, at most one sentence in five seconds.
import { signal } from "@preact/signals";

const PAUSE = 5000;

export const sentence = signal("");

let timer = null;
let waiting = [];

/** Say something soon. What comes meanwhile is told as one sentence. */
export function announce(text) {
  waiting.push(text);
  timer ??= setTimeout(speak, sentence.value ? PAUSE : 300);
}

function speak() {
  timer = null;
  sentence.value = waiting.length > 2 ? `${waiting.at(-1)} ${waiting.length - 1} other jobs have ended.` : waiting.join(" ");
  waiting = [];
}
