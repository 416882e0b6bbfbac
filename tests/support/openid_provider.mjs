// A provider of OpenID Connect (oidc-provider) that signs in whom its control says, without asking.
// Its arguments are the addresses that it sends browsers back to. Prints its port; POST /control sets {account, claims, denies}.

import { createServer } from "node:http";
import { Provider } from "oidc-provider";
import { generateKeyPairSync } from "node:crypto";

const told = { account: "ann", claims: {}, denies: false };
const redirects = process.argv.slice(2);
let provider;

function signingKey(kid) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid, use: "sig", alg: "RS256" };
}

function start(issuer, kid) {
  provider = new Provider(issuer, {
    clients: [
      { client_id: "crossdock", client_secret: "the secret of Crossdock", redirect_uris: redirects },
    ],
    jwks: { keys: [signingKey(kid)] },
    claims: { openid: ["sub"], profile: ["name", "preferred_username", "groups"], email: ["email", "email_verified"] },
    features: { devInteractions: { enabled: false } },
    pkce: { required: () => true },
    cookies: { keys: ["a key of tests"] },
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...told.claims }) }),
    loadExistingGrant: async (context) => {
      const grant = new provider.Grant({
        clientId: context.oidc.client.clientId,
        accountId: context.oidc.session.accountId,
      });
      grant.addOIDCScope("openid profile email");
      await grant.save();
      return grant;
    },
  });
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function control(request, response) {
  const { rotate, ...more } = JSON.parse(await body(request));
  Object.assign(told, more);
  if (rotate) start(provider.issuer, rotate);
  response.end("{}");
}

const server = createServer(async (request, response) => {
  if (request.url === "/control") return control(request, response);
  if (!request.url.startsWith("/interaction/")) return provider.callback()(request, response);
  const result = told.denies ? { error: "access_denied" } : { login: { accountId: told.account } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
});
server.listen(0, "127.0.0.1", () => {
  start(`http://127.0.0.1:${server.address().port}`, "first");
  console.log(server.address().port);
});
