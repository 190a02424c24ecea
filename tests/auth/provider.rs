//! Tokens of an OpenID provider that others have written and had certified: discovery, its keys and
//! their change, signed tokens and introspection.
//!
//! It needs the packages of `tests/node/package.json` in `target/tools/node`, which `tests/run` sets
//! up.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::support::{Response, Rig, http1, within};

const BOOK: &str = "/v1/shelves/fiction/books/letters";

/// A running provider.
struct Provider {
    issuer: String,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Provider {
    async fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut process = Command::new("node")
            .arg(root.join("tests/node/provider.mjs"))
            .env("NODE_PATH", root.join("target/tools/node/node_modules"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("tests/run sets up Node");
        let input = process.stdin.take().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let issuer = within("the provider", lines.next_line()).await.unwrap();
        let issuer = issuer.expect("tests/run sets up oidc-provider");
        Self { issuer, input, lines, _process: process }
    }

    /// Gives it new keys; the old ones are gone.
    async fn rotate(&mut self) {
        self.input.write_all(b"\n").await.unwrap();
        loop {
            let line = within("new keys", self.lines.next_line()).await.unwrap();
            if line.expect("it runs") == "new keys" {
                return;
            }
        }
    }

    /// A token for these scopes.
    async fn token(&self, kind: &str, scope: &str) -> String {
        let address = self.issuer.strip_prefix("http://").unwrap().parse().unwrap();
        let form = format!(
            "grant_type=client_credentials&scope={scope}&resource=https://books.example/{kind}"
        );
        let basic = base64_simd::STANDARD.encode_to_string("caller:a+secret+of+the+caller");
        let headers = [
            ("authorization", &*format!("Basic {basic}")),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let response = http1::request(address, "POST", "/token", &headers, form.as_bytes()).await;
        let token = response.json()["access_token"].as_str().map(str::to_owned);
        token.unwrap_or_else(|| panic!("{response:?}"))
    }

    /// A gateway that takes its signed tokens.
    async fn gateway(&self) -> Rig {
        let issuer = &self.issuer;
        Rig::with_policy(&format!(
            "auth: {{ any_of: [{{ jwt: {{ issuers: [{{ issuer: \"{issuer}\", audiences: [books], \
             allow_http: true, refetch: 1s }}] }} }}], forward: {{ x-echo-user: id }} }}, \
             authorize: {{ scopes: [books.read] }}"
        ))
        .await
    }
}

async fn get(rig: &Rig, token: &str) -> Response {
    let bearer = format!("Bearer {token}");
    rig.request("GET", BOOK, &[("authorization", &bearer)], b"").await
}

#[tokio::test]
#[ignore = "needs oidc-provider, which tests/run sets up"]
async fn provider_s_keys_are_discovered_and_may_change() {
    let mut provider = Provider::start().await;
    let rig = provider.gateway().await;
    let old = provider.token("jwt", "books.read").await;
    let response = get(&rig, &old).await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("x-echo-user"), "caller");
    get(&rig, &provider.token("jwt", "books.write").await).await.refusal(403, 7);
    get(&rig, &format!("{old}x")).await.refusal(401, 16);
    get(&rig, &provider.token("opaque", "books.read").await).await.refusal(401, 16);

    provider.rotate().await;
    let new = provider.token("jwt", "books.read").await;
    // The gateway goes on: a token of the new key has it ask again, once it may.
    let taken = async { while get(&rig, &new).await.status != 200 {} };
    within("the new keys", taken).await;
    get(&rig, &old).await.refusal(401, 16);
}

#[tokio::test]
#[ignore = "needs oidc-provider, which tests/run sets up"]
async fn provider_is_asked_about_tokens_that_say_nothing() {
    let provider = Provider::start().await;
    let issuer = &provider.issuer;
    let rig = Rig::with_policy(&format!(
        "auth: {{ any_of: [{{ introspection: {{ url: \"{issuer}/token/introspection\", \
         client_id: gateway, client_secret: \"a secret of the gateway\", allow_http: true, \
         audiences: [books], answer_timeout: 20s }} }}], forward: {{ x-echo-user: id }} }}, \
         authorize: {{ scopes: [books.read] }}"
    ))
    .await;
    let response = get(&rig, &provider.token("opaque", "books.read").await).await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("x-echo-user"), "caller");
    get(&rig, &provider.token("opaque", "books.write").await).await.refusal(403, 7);
    get(&rig, "made-up").await.refusal(401, 16);
    assert_eq!(rig.bookshelf.begun(), 1);
}
