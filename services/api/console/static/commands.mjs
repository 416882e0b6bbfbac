// Commands to copy, as a shell takes them.
import { session } from "./session.mjs";

/** A text as one word. */
export const quoted = (text) => (/^[\w.@%+=:,/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** A command that somebody runs on the server. It finds a standalone by the folder of its data, which not everybody is told. */
export function onServer(command) {
  const standalone = session.value?.standalone;
  return standalone ? `${command} --data ${standalone.data ? quoted(standalone.data) : "FOLDER"}` : command;
}
