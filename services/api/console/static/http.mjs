// Requests to the API. Each answer is data or a Problem; nothing is tried again here.
const HEADER = { "X-Crossdock-Console": "1" }; // no form and no other site can send it

export const SILENT = "The server does not answer. Check the connection, then try again.";

const LATER = "Try again later."; // with which GitLab's refusals of too many requests end

/** An answer that is an error, or none at all (status 0). */
export class Problem extends Error {
  constructor(message, { status = 0, code = null, fields = null, retryAfter = null } = {}) {
    super(message);
    Object.assign(this, { status, code, fields, retryAfter });
  }
}

let whenSignedOut = () => {};

/** Have `act` called whenever an answer says that nobody is signed in. */
export function onSignedOut(act) {
  whenSignedOut = act;
}

/** GET data. */
export async function get(address, { signal } = {}) {
  return (await request("GET", address, { signal })).data;
}

/** GET a part of a list: its items, and the cursor of the next part (null at the end). */
export async function getPart(address, { signal } = {}) {
  const { data, response } = await request("GET", address, { signal });
  return { items: data, next: nextCursor(response.headers.get("Link")), headers: response.headers };
}

/** Send a write; `body` becomes JSON. Gives the answer's data. */
export async function send(method, address, body = undefined) {
  return (await request(method, address, { body })).data;
}

/** Send a request that makes a job, and give the id of that: null where the server does not say. */
export async function sendForJob(address, body) {
  const { response } = await request("POST", address, { body });
  return Number(response.headers.get("X-Crossdock-Job")) || null;
}

/** The cursor in a Link header. Only its query counts: its address is that of CROSSDOCK_EXTERNAL_URL. */
export function nextCursor(link) {
  const found = /<([^>]*)>;\s*rel="?next"?/.exec(link ?? "");
  return found ? new URL(found[1], location.href).searchParams.get("cursor") : null;
}

async function request(method, address, { body, signal } = {}) {
  const headers = { Accept: "application/json", ...(method === "GET" ? {} : HEADER) };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await reach(address, {
    method, headers, signal, credentials: "same-origin",
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const data = await read(response);
  if (response.ok) return { data, response };
  if (response.status === 401) whenSignedOut();
  throw problemOf(response, data);
}

async function reach(address, options) {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(SILENT);
  }
}

async function read(response) {
  const text = await response.text();
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return text; // a proxy's page, for one
  }
}

function problemOf(response, data) {
  const given = data !== null && typeof data === "object" ? data : {};
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  const fields = fieldsOf(given.errors ?? given.message);
  const message = given.detail ?? textOf(given.message) ?? textOf(given.error) ?? textOf(given.errors) ?? `The server answered ${response.status}.`;
  const when = retryAfter && message.endsWith(LATER) ? message.replace(LATER, `Again in ${retryAfter} s.`) : message;
  return new Problem(when, { status: response.status, code: given.code ?? null, fields, retryAfter });
}

function textOf(value) {
  if (typeof value === "string") return value;
  if (value === null || typeof value !== "object") return null;
  if (Array.isArray(value)) return value.join("; ");
  return Object.entries(value).map(([name, what]) => `${name} ${[].concat(what).map(withoutSubject).join(", ")}`).join("; ");
}

/** GitLab has sentences about a path that begin with what they are about, which the field's name says already. */
const withoutSubject = (text) => String(text).replace(/^Project namespace path (?=can )/, "");

function fieldsOf(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
}
