// The settings that GitLab has too, by GitLab's names: what each means, and what it is unless somebody changes it.
import { count, size } from "./format.mjs";

const MIB = { unit: "MiB", none: "no limit", bytes: 1024 ** 2 };
const RATE = { unit: "a minute", none: "no limit" };

export const SETTINGS = [
  { name: "max_import_size", usual: 0, ...MIB, title: "Largest upload", means: "The largest size of an uploaded archive, in MiB." },
  { name: "max_import_remote_file_size", usual: 10240, ...MIB, title: "Largest archive from elsewhere", means: "The largest size of an archive that the server fetches from a URL or from S3, in MiB." },
  { name: "max_decompressed_archive_size", usual: 25600, ...MIB, title: "Largest archive, unpacked", means: "The largest size of all files in an archive, in MiB." },
  { name: "max_export_size", usual: 0, ...MIB, title: "Largest export", means: "A project with more content is not exported." },
  { name: "project_import_limit", usual: 6, ...RATE, title: "Imports", means: "This limits the imports that a user may start." },
  { name: "github_import_limit", usual: 6, ...RATE, title: "Imports from GitHub", means: "This limits the imports from GitHub that a user may start. GitLab has no setting for it." },
  { name: "project_export_limit", usual: 6, ...RATE, title: "Exports", means: "This limits the exports that a user may start." },
  { name: "project_download_export_limit", usual: 1, ...RATE, title: "Downloads", means: "This limits the downloads of one project that a user may start." },
  { name: "export_retention", usual: 24, unit: "hours", title: "Exports are kept", means: "An export can be downloaded for so many hours. GitLab has no setting for it." },
  { name: "project_export_enabled", usual: true, title: "Exports are allowed", means: "Otherwise only administrators export projects." },
  { name: "import_sources", usual: ["gitlab_project", "git", "github"], title: "Where projects may come from", means: "gitlab_project is an archive, git a repository, github all of a repository there." },
  { name: "bulk_import_enabled", usual: false, title: "Direct transfer is allowed", means: "Direct transfer moves projects from one GitLab to another part by part, without an archive. Unless it is allowed, relation exports, which it is made of, are refused (404)." },
  { name: "allow_local_requests_from_web_hooks_and_services", usual: false, title: "Local addresses are allowed", means: "Whether webhooks, uploads and remote imports may ask servers of the local network. Leave it off unless you trust all users." },
  { name: "outbound_local_requests_allowlist", usual: [], title: "Local addresses that are allowed anyway", means: "Hosts, addresses and networks, with a port or without, one a line: runner.internal, 10.0.0.5:8080, 10.1.0.0/16." },
];

/** A value in words. */
export function told({ unit, none, bytes }, value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.join(", ") || "none";
  if (value === 0 && none) return none;
  if (bytes) return `${count(value)} ${unit} (${size(value * bytes)})`;
  return unit ? `${count(value)} ${unit}` : count(value);
}

/** What the form of a setting gives, as the API takes it. */
export function read({ usual }, form) {
  const text = form.get("value") ?? "";
  if (typeof usual === "boolean") return text === "true";
  if (Array.isArray(usual)) return text.split(/[\s,]+/).filter(Boolean);
  return Number(text);
}

export const isUsual = ({ usual }, value) => JSON.stringify(usual) === JSON.stringify(value);
