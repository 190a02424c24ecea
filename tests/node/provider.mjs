// An OpenID provider: the certified one that Node has, with keys that change when it is told to.
//
//     provider.mjs
//
// Prints its issuer as the first line. A line on standard input gives it new keys and is answered
// with a line; it ends with its standard input.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// ES modules don't look into NODE_PATH, where tests/run has put the package.
const require = createRequire(import.meta.url);
const { Provider } = require("oidc-provider");

let generation = 0;

function key() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  generation += 1;
  return { ...privateKey.export({ format: "jwk" }), kid: `key-${generation}`, use: "sig" };
}

// Access tokens for the resource that ends in `/opaque` say nothing; the others are JWTs.
function getResourceServerInfo(_, resource) {
  const opaque = resource.endsWith("/opaque");
  return {
    audience: "books",
    scope: "books.read books.write",
    accessTokenTTL: 600,
    accessTokenFormat: opaque ? "opaque" : "jwt",
    jwt: { sign: { alg: "RS256" } },
  };
}

function provider(issuer) {
  const client = {
    client_id: "caller",
    client_secret: "a secret of the caller",
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
  };
  return new Provider(issuer, {
    clients: [client, { ...client, client_id: "gateway", client_secret: "a secret of the gateway" }],
    jwks: { keys: [key()] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: { enabled: true, getResourceServerInfo },
    },
  }).callback();
}

let answer;
const server = createServer((request, response) => answer(request, response));
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  answer = provider(issuer);
  console.log(issuer);
  const lines = createInterface({ input: process.stdin });
  lines.on("line", () => {
    answer = provider(issuer);
    console.log("new keys");
  });
  lines.on("close", () => process.exit(0));
});
