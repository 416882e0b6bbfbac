// Who is signed in. The server answers that without an error, whoever asks.
import { computed, signal } from "@preact/signals";
import { get, onSignedOut, send } from "./http.mjs";
import { own } from "./place.mjs";

const ADDRESS = own("/session");

/** The session's document; null until it is known. `user` in it is null while nobody is signed in. */
export const session = signal(null);

export const user = computed(() => session.value?.user ?? null);
export const isAdministrator = computed(() => Boolean(user.value?.administrator));

/** Whether the session may write: one whose token has read_api alone may not. */
export const canWrite = computed(() => {
  const scopes = session.value?.scopes;
  return Boolean(user.value) && (!scopes || scopes.includes("api"));
});

/** Ask who is signed in. */
export async function loadSession() {
  session.value = await get(ADDRESS);
}

/** Sign in by a token. Throws a Problem. */
export async function signIn(token) {
  session.value = await send("POST", ADDRESS, { token });
  if (!session.value?.user) await loadSession();
}

/** Sign out, here and on the server. */
export async function signOut() {
  await send("DELETE", ADDRESS);
  await loadSession();
}

onSignedOut(() => {
  if (user.value) loadSession().catch(() => {});
});
