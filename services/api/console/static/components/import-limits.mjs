// The limits that hold for an import by this user, before anything is sent.
import { count, size } from "../format.mjs";
import { html } from "../html.mjs";
import { Facts, Notice } from "./small.mjs";

export function Limits({ source, limits }) {
  const { imports, projects } = limits;
  return html`
    ${!imports.enabled && html`<${Notice} tone="warning">Imports of archives are switched off on this server.<//>`}
    <h2>Your limits</h2>
    <${Facts} facts=${[
      ...(source === "github" ? [] : sizesOf(source, limits)),
      ["Imports", rateOf(source === "github" ? imports.github_rate : imports.rate)],
      ["Projects", projects.limit ? `${count(projects.used)} of ${count(projects.limit)}` : "no limit"],
    ]} />
  `;
}

const sizesOf = (source, { imports, archive }) => [
  [source === "file" ? "Upload" : "Size", sizeOrNone(source === "file" ? imports.upload_size : imports.remote_size)],
  ["Unpacked", sizeOrNone(archive.decompressed_size)],
  ["Files in it", count(archive.entries)],
];

const sizeOrNone = (bytes) => (bytes ? size(bytes) : "no limit");

const rateOf = (rate) => (rate ? `${count(rate.remaining)} of ${count(rate.per_minute)} left in this minute` : "no limit");
