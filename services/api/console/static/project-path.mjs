// Paths of projects: which are allowed, which is guessed, and what is there already.
import { get } from "./http.mjs";
import { gitlab, own } from "./place.mjs";
import { canWrite, user } from "./session.mjs";

const ALLOWED = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/;
const ENDINGS = /\.(?:git|atom)$/i;
const LONGEST = 255;
const MAINTAINER = 40;
export const OWNER = 50;

/** Say why a path is not allowed; null where it is. */
export function refusalOfPath(path) {
  if (path.length > LONGEST) return `A path has at most ${LONGEST} characters.`;
  if (ALLOWED.test(path) && !ENDINGS.test(path)) return null;
  return "A path has letters, digits, and single “-”, “_” or “.” between them; it does not end in .git or .atom.";
}

/** "2026-01-01_10-00-000_group_website_export.tar.gz" becomes "group_website". */
export function pathOf(fileName) {
  const stem = fileName.replace(/(?:\.tar)?\.(?:gz|zip)$|\.tgz$|\.tar$/i, "").replace(/_export$/i, "").replace(/^[\d_-]{15,}/, "");
  const plain = stem.replace(/[^A-Za-z0-9_.-]+/g, "-").replace(/([._-])[._-]+/g, "$1").slice(0, LONGEST);
  return plain.replace(/^[._-]+|[._-]+$/g, "").replace(ENDINGS, "");
}

/** The namespace and the last part of a path. */
export function partsOf(path) {
  const at = path.lastIndexOf("/");
  return [path.slice(0, Math.max(0, at)), path.slice(at + 1)];
}

/** Whether the reader may import into a namespace: the own one, or a group that the reader maintains. */
export async function mayImportInto(namespace, { signal } = {}) {
  if (!canWrite.value) return false;
  if (namespace.toLowerCase() === user.value.username.toLowerCase()) return true;
  return hasLevel(namespace, MAINTAINER, { signal });
}

/** Whether the reader has such a role in a group. A list is asked for: what is not in it is no error of the browser's console. */
export async function hasLevel(group, level, { signal } = {}) {
  const path = group.toLowerCase();
  const query = new URLSearchParams({ min_access_level: level, search: partsOf(path)[1], order_by: "path", per_page: "100" });
  const found = await get(gitlab(`/groups?${query}`), { signal });
  return found.some((each) => each.full_path.toLowerCase() === path);
}

/** The project that is at a path, as far as the reader maintains it: {path_with_namespace, empty}. Null: none. */
export async function projectAt(namespace, path, { signal } = {}) {
  const full = `${namespace}/${path}`;
  // A GET of the project itself would be an error of the console where nothing is there.
  const query = new URLSearchParams({ namespace, search: full, order_by: "path", sort: "asc", per_page: "20" });
  const found = await get(own(`/projects?${query}`), { signal });
  return found.find((each) => each.path_with_namespace.toLowerCase() === full.toLowerCase()) ?? null;
}
