// Looks at a file before a byte of it is sent: is it an archive, and may it be so large.
import { size } from "./format.mjs";

const HEAD = 512; // a block of tar, whose sign is at 257

/** What other files begin with that people take for the archive, and what to do about each. */
const OTHERS = [
  { sign: "PK", what: "a ZIP file", act: "Take the .tar.gz that is in it." },
  { sign: "ustar", at: 257, what: "a tar file without compression", act: "Compress it by gzip first." },
  { sign: "age-encryption.org/", what: "encrypted by age", act: "Decrypt it first: age --decrypt --identity KEY FILE." },
  { sign: "-----BEGIN AGE", what: "encrypted by age", act: "Decrypt it first: age --decrypt --identity KEY FILE." },
  { sign: "BZh", what: "compressed by bzip2", act: "Compress it by gzip instead." },
  { sign: "\xfd7zXZ", what: "compressed by xz", act: "Compress it by gzip instead." },
  { sign: "(\xb5/\xfd", what: "compressed by zstd", act: "Compress it by gzip instead." },
];
const CHOOSE = "Choose the file that “Export project” made (.tar.gz).";

/** Say why a file cannot be imported; null where nothing speaks against it. Its name does not matter. */
export async function refusalOf(file, { largest = null } = {}) {
  if (file.size === 0) return `${file.name} is empty. ${CHOOSE}`;
  if (largest !== null && file.size > largest) {
    return `${file.name} has ${size(file.size)}, and uploads may have at most ${size(largest)}. An administrator can raise the limit.`;
  }
  const head = await headOf(file);
  if (head === null) return `${file.name} cannot be read. A folder cannot be imported. ${CHOOSE}`;
  return head.startsWith("\x1f\x8b") ? null : notGzip(file.name, head);
}

function notGzip(name, head) {
  const other = OTHERS.find(({ sign, at = 0 }) => head.startsWith(sign, at));
  return other ? `${name} is ${other.what}. ${other.act}` : `${name} is no archive: it does not begin as gzip does. ${CHOOSE}`;
}

/** The first bytes as a text of one character each; null where the browser cannot read them, as of a folder. */
async function headOf(file) {
  try {
    const bytes = new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
    return String.fromCharCode(...bytes);
  } catch {
    return null;
  }
}
