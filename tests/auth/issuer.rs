//! An issuer of tokens on a port of its own: discovery, keys, introspection.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use base64_simd::URL_SAFE_NO_PAD;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A running issuer.
#[derive(Clone)]
pub(super) struct Issuer {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    keys: Vec<Value>,
    /// What introspection says, by token.
    tokens: HashMap<String, Value>,
    /// Paths and bodies of what it was asked, in order.
    asked: Vec<(String, String)>,
    down: bool,
}

impl Issuer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let serving = issuer.clone();
        tokio::spawn(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else { continue };
                let serving = serving.clone();
                tokio::spawn(async move { serving.answer(socket).await });
            }
        });
        issuer
    }

    /// Its name.
    pub(super) fn name(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A new key, the only one from now on.
    pub(super) fn rotate(&self, kid: &str) -> Signer {
        let signer = Signer::new(kid, self.name());
        self.state.lock().unwrap().keys = vec![signer.jwk()];
        signer
    }

    /// What introspection says of a token.
    pub(super) fn says(&self, token: &str, answer: Value) {
        self.state.lock().unwrap().tokens.insert(token.to_owned(), answer);
    }

    /// Answers everything with 503, or no longer.
    pub(super) fn is_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    /// How often a path was asked for.
    pub(super) fn asked(&self, path: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.asked.iter().filter(|(asked, _)| asked.starts_with(path)).count()
    }

    /// The last request: head and body.
    pub(super) fn last(&self) -> (String, String) {
        self.state.lock().unwrap().asked.last().unwrap().clone()
    }

    async fn answer(&self, mut socket: TcpStream) {
        let mut text = String::new();
        let (head, body) = loop {
            let mut part = [0; 4096];
            let Ok(length @ 1..) = socket.read(&mut part).await else { return };
            text.push_str(std::str::from_utf8(&part[..length]).unwrap());
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                break (head.to_owned(), body.to_owned());
            }
        };
        let (status, answer) = self.say(&head, &body);
        let answer = answer.to_string();
        let response = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{answer}",
            answer.len()
        );
        // The gateway may have gone.
        let _ = socket.write_all(response.as_bytes()).await;
    }

    fn say(&self, head: &str, body: &str) -> (&'static str, Value) {
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut state = self.state.lock().unwrap();
        state.asked.push((format!("{path}\n{head}"), body.to_owned()));
        if state.down {
            return ("503 Service Unavailable", json!({}));
        }
        let name = self.name();
        match path.as_str() {
            "/.well-known/openid-configuration" => {
                ("200 OK", json!({ "issuer": name, "jwks_uri": format!("{name}/keys") }))
            }
            "/keys" => ("200 OK", json!({ "keys": state.keys })),
            "/introspect" => {
                let token = body.split('&').find_map(|pair| pair.strip_prefix("token="));
                let known = token.and_then(|token| state.tokens.get(token));
                ("200 OK", known.cloned().unwrap_or(json!({ "active": false })))
            }
            _ => ("404 Not Found", json!({})),
        }
    }
}

/// A key of an issuer.
pub(super) struct Signer {
    kid: String,
    issuer: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    fn new(kid: &str, issuer: String) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self { kid: kid.to_owned(), issuer, pair }
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let encode = |bytes| URL_SAFE_NO_PAD.encode_to_string(bytes);
        json!({ "kty": "EC", "crv": "P-256", "kid": self.kid, "x": encode(x), "y": encode(y) })
    }

    /// A token of this subject, good for an hour, with other claims besides.
    pub(super) fn sign(&self, subject: &str, others: Value) -> String {
        let mut claims = json!({
            "iss": self.issuer, "sub": subject, "aud": "books", "exp": now() + 3600,
        });
        claims.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        let header = json!({ "alg": "ES256", "kid": self.kid }).to_string();
        let encode = |text: String| URL_SAFE_NO_PAD.encode_to_string(text);
        let message = format!("{}.{}", encode(header), encode(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode_to_string(signature.as_ref()))
    }
}

/// In seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
