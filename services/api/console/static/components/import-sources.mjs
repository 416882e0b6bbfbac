// Where a project comes from, if not from a file: an address, a bucket, GitHub.
import { html } from "../html.mjs";
import { Field } from "./actions.mjs";

const SECRET = { type: "password", required: true, autocomplete: "off" };

export function UrlSource({ wrong }) {
  return html`
    <${Field} label="Address of the archive" name="url" type="url" required placeholder="https://example.com/project_export.tar.gz"
      wrong=${wrong.url} help="The server fetches it itself. It has to be https, and to tell its length." />`;
}

export function S3Source({ wrong }) {
  const field = (name, label, more) => html`<${Field} key=${name} name=${name} label=${label} wrong=${wrong[name]} required ...${more} />`;
  return html`
    ${field("region", "Region", { placeholder: "eu-central-1" })}
    ${field("bucket_name", "Bucket", { help: "Of AWS, or of the S3 server that administrators have set for imports." })}
    ${field("file_key", "Name of the object", { placeholder: "exports/project_export.tar.gz" })}
    ${field("access_key_id", "Access key id", { autocomplete: "off" })}
    ${field("secret_access_key", "Secret access key", { ...SECRET, help: "It signs the address of the object, and is not kept." })}`;
}

const STAGES = [
  ["attachments_import", "Files that texts refer to"],
  ["release_assets_import", "Files of releases"],
  ["collaborators_import", "Collaborators, as members (the token needs the scope read:org too)"],
  ["single_endpoint_notes_import", "Comments of each pull request by themselves (slower, and none is missed)"],
];

/** The name of a repository in what people write of it: owner/name, or an address. */
function nameIn(text) {
  const behindHost = text.trim().replace(/^https?:\/\//, "").replace(/^[^/]*[.:][^/]*\//, "");
  return behindHost.split(/[/?#]/)[1] ?? null;
}

/** `guessed` gets the name of the repository. */
export function GitHubSource({ wrong, guessed }) {
  return html`
    <${Field} label="Personal access token of GitHub" name="personal_access_token" ...${SECRET} wrong=${wrong.personal_access_token}
      help="A classic token with the scope repo. It is kept, sealed, as long as the import can be retried." />
    <${Field} label="Repository" name="repository" required autocomplete="off" spellcheck=${false} wrong=${wrong.repository}
      onChange=${(event) => (guessed.value = nameIn(event.target.value))} placeholder="owner/name" help="Its name, or the address of its page. Its number at GitHub will do too." />
    <${Field} label="Address of your GitHub Enterprise" name="github_hostname" type="url" wrong=${wrong.github_hostname}
      placeholder="https://github.example.com" help="Empty for github.com, and where the address of the repository says it." />
    <fieldset>
      <legend>Bring along as well</legend>
      ${STAGES.map(([name, words]) => html`<label class="check" key=${name}><input type="checkbox" name="stage" value=${name} /> <span>${words}</span></label>`)}
    </fieldset>
    <p class="quiet">Issues, pull requests, comments, labels, milestones, releases, the wiki and the repository come anyway.
      The job waits by itself where GitHub takes no more requests.</p>`;
}
