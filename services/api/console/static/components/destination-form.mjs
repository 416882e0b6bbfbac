// The form of a new destination: a bucket, or another GitLab or Crossdock.
import { useState } from "preact/hooks";
import { html } from "../html.mjs";
import { send } from "../http.mjs";
import { tellHelp } from "../outbound.mjs";
import { own } from "../place.mjs";
import { worksWords } from "../schedules.mjs";
import { toast } from "../toasts.mjs";
import { Choice, Field, FormButton } from "./actions.mjs";

const KINDS = [["s3", "a bucket"], ["gitlab", "a GitLab"], ["crossdock", "another Crossdock"]];

export function DestinationForm({ done }) {
  const act = async (form) => {
    const given = Object.fromEntries([...form].filter(([, value]) => value !== ""));
    const made = await send("POST", own("/destinations"), given).catch(tellHelp);
    done();
    // It is there, whether it works yet or not: what is wrong may be at the other side.
    testPlace(made).catch((problem) => toast(`${made.name} is made, and does not work yet: ${problem.message}`, { isError: true }));
  };
  return html`<${FormButton} name="New destination" title="New destination" yes="Make it" act=${act}><${Fields} /><//>`;
}

/** Have a destination tested, and tell that it works. */
export async function testPlace(place) {
  toast(worksWords(place, await send("POST", own(`/destinations/${place.id}/test`))));
}

function Fields() {
  const [kind, choose] = useState("s3");
  return html`
    <${Field} name="name" label="Name" required data-first autocomplete="off" />
    <${Choice} name="kind" label="What it is" chosen=${kind} options=${KINDS} onChange=${(event) => choose(event.target.value)} />
    ${kind === "s3" ? html`<${Bucket} />` : html`<${Peer} />`}
  `;
}

function Bucket() {
  return html`
    <${Field} name="endpoint" label="Address" placeholder="https://minio.example.com" help="Empty for AWS." />
    <${Field} name="region" label="Region" placeholder="us-east-1" />
    <${Field} name="bucket" label="Bucket" required />
    <${Field} name="prefix" label="What all names begin with" placeholder="nightly" />
    <${Field} name="access_key_id" label="Access key id" required autocomplete="off" />
    <${Field} name="secret_access_key" label="Secret access key" type="password" required autocomplete="off" help="It is sealed, and never shown again." />
  `;
}

function Peer() {
  return html`
    <${Field} name="url" label="Address" type="url" required placeholder="https://gitlab.example.com" />
    <${Field} name="namespace" label="Group there" help="Empty: the namespace of the token's user." />
    <${Field} name="token" label="Token" type="password" required autocomplete="off" help="With the scope api. It is sealed, and never shown again." />
  `;
}
