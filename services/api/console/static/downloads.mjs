// Downloads of exports. GitLab allows so many a minute and project, and a browser shows nothing of a refused one.
import { counted } from "./format.mjs";
import { get } from "./http.mjs";
import { own } from "./place.mjs";
import { toast, toastProblem } from "./toasts.mjs";

const MINUTE = 60000; // of the server, which begins with the first download in it
const MOST = 100; // addresses; the one that was asked for first is forgotten

const minutes = new Map(); // by address: {since, times}

/** Of a click on a link: the first download of a minute goes on, and a further one where the limit allows it. */
export function onDownload(event) {
  const { href } = event.currentTarget;
  const minute = minutes.get(href);
  if (!minute || Date.now() - minute.since >= MINUTE) return begin(href);
  event.preventDefault();
  again(href, minute).catch(toastProblem);
}

function begin(href) {
  minutes.delete(href);
  minutes.set(href, { since: Date.now(), times: 1 });
  if (minutes.size > MOST) minutes.delete(minutes.keys().next().value);
}

async function again(href, minute) {
  const { exports } = await get(own("/limits"));
  const most = exports.downloads_per_minute_and_project;
  if (most !== null && minute.times >= most) return tellWhen(minute, most);
  minute.times += 1;
  const link = Object.assign(document.createElement("a"), { href, download: "" });
  link.click();
}

function tellWhen({ since }, most) {
  const seconds = Math.max(1, Math.ceil((since + MINUTE - Date.now()) / 1000));
  toast(`GitLab's limit: ${counted(most, "download")} of a project in a minute. Again in ${seconds} s.`);
}
