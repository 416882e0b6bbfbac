// The limits that hold for an import by this user, before anything is sent.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { count, size } from "../format.mjs";
import { html } from "../html.mjs";
import { get } from "../http.mjs";
import { own } from "../place.mjs";
import { Command, Facts, Notice } from "./small.mjs";

export function Limits({ source }) {
  const limits = useSignal(null);
  useEffect(() => {
    get(own("/limits")).then((found) => (limits.value = found), () => {});
  }, []);
  if (!limits.value) return null;
  const { imports, archive, projects } = limits.value;
  return html`
    ${!imports.enabled && html`<${Notice} tone="warning">Imports of archives are switched off on this server.<//>`}
    <h2>Your limits</h2>
    <${Facts} facts=${[
      [source === "file" ? "Upload" : "Size", sizeOrNone(source === "file" ? imports.upload_size : imports.remote_size)],
      ["Unpacked", sizeOrNone(archive.decompressed_size)],
      ["Files in it", count(archive.entries)],
      ["Imports", rateOf(source === "github" ? imports.github_rate : imports.rate)],
      ["Projects", projects.limit ? `${count(projects.used)} of ${count(projects.limit)}` : "no limit"],
    ]} />
    ${source === "file" && html`<h2>Check the archive first</h2><p class="quiet">This says what would be left out, without a server:</p><${Command}>crossdock verify project_export.tar.gz<//>`}
  `;
}

const sizeOrNone = (bytes) => (bytes ? size(bytes) : "no limit");

const rateOf = (rate) => (rate ? `${count(rate.remaining)} of ${count(rate.per_minute)} left in this minute` : "no limit");
