// Numbers, sizes and times as the reader's locale writes them; words stay in the language of the page.
const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB"];
const LOCALE = navigator.languages?.length ? [...navigator.languages] : undefined;
const plain = new Intl.NumberFormat(LOCALE);
const three = new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 3, minimumSignificantDigits: 3 });
const few = new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 2 });
const clockOf = new Intl.DateTimeFormat(LOCALE, { timeStyle: "medium" });
const momentOf = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "medium" });
const dayOf = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium" });
const dateOf = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeZone: "UTC" });
const DATE = /^\d{4}-\d\d-\d\d$/;

/** A count: 120,000. Ids are texts, and have no separators. */
export const count = (number) => (number === null || number === undefined ? "" : plain.format(number));

/** A large count in words: 1.2 million. */
export function roughCount(number) {
  if (number >= 1e9) return `${few.format(number / 1e9)} billion`;
  if (number >= 1e6) return `${few.format(number / 1e6)} million`;
  return plain.format(number);
}

/** A count with its noun: 1 line, 2 lines. */
export const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** A size: 1.86 GB. */
export function size(bytes) {
  if (bytes === null || bytes === undefined) return "";
  const power = unitOf(bytes);
  return power === 0 ? `${plain.format(bytes)} ${bytes === 1 ? "byte" : "bytes"}` : `${three.format(bytes / 1000 ** power)} ${UNITS[power]}`;
}

/** Both numbers in the unit of the larger one: 1.86 of 3.00 GB. */
export function sizeOf(done, total) {
  const power = unitOf(total);
  const format = power === 0 ? plain : new Intl.NumberFormat(LOCALE, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  return `${format.format(done / 1000 ** power)} of ${format.format(total / 1000 ** power)} ${UNITS[power]}`;
}

function unitOf(bytes) {
  return bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
}

/** A rate: 96.0 MB/s. */
export const rate = (bytesPerSecond) => `${size(Math.round(bytesPerSecond))}/s`;

/** A duration: 25 ms, 0.4 s, 12 s, 3 min 5 s, 2 h 4 min, 3 days. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 0.0995) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.95) return `${few.format(Math.max(0, Math.round(seconds * 10) / 10))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return pair(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 172800) return pair(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return `${count(Math.floor(whole / 86400))} days`;
}

const pair = (large, largeUnit, small, smallUnit) =>
  small ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`;

const SKEW = 3; // seconds

/** How long ago: now, 18 s ago, 5 min ago, 3 h ago, and the day behind a week. */
export function ago(moment, now = Date.now()) {
  const seconds = Math.floor((now - Date.parse(moment)) / 1000);
  if (Math.abs(seconds) < SKEW) return "now"; // the clock of the server may be ahead of the reader's
  if (seconds < 0) return `in ${coarse(-seconds)}`;
  if (seconds > 7 * 86400) return day(moment);
  return `${coarse(seconds)} ago`;
}

function coarse(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  const days = Math.floor(seconds / 86400);
  return `${days} ${days === 1 ? "day" : "days"}`;
}

/** The time of day: 14:02:31. */
export const clock = (moment) => clockOf.format(new Date(moment));

/** The day and the time of day. */
export const moment = (at) => (at ? momentOf.format(new Date(at)) : "");

/** The day, of a moment as of the reader's clock; a date alone is the same day everywhere. */
export const day = (at) => (DATE.test(at) ? dateOf : dayOf).format(new Date(at));

/** The reader's last midnight, as a text for the API. */
export function midnight(now = new Date()) {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate()).toISOString();
}

/** The first line of a text, and no more of it than fits into a row. */
export function inShort(text, most = 200) {
  const [line] = text.split("\n", 1);
  return line.length < text.length || line.length > most ? `${line.slice(0, most).trimEnd()}…` : line;
}

/** A digest in short: its begin and its end. */
export const shortDigest = (hex) => (hex.length > 20 ? `${hex.slice(0, 10)}…${hex.slice(-10)}` : hex);
