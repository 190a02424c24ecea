//! What a policy's `auth` may say.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    duration::{duration, optional_duration},
    secret::Secret,
    store,
};

/// Who may call: ways to tell who somebody is, and what becomes of it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Auth")]
pub struct Settings {
    /// Ways of which one is enough, in this order.
    pub any_of: Vec<Way>,
    /// Ways that are all needed; the first one's principal is the caller.
    pub all_of: Vec<Way>,
    /// Whether callers without any credentials are let in, as nobody; bad credentials are refused
    /// all the same. `false` by default.
    pub optional: bool,
    /// Headers that tell the backend who calls: `id`, `issuer`, `kind`, `scopes` or `claims.NAME`.
    /// Callers' own headers of these names are always removed.
    pub forward: BTreeMap<String, String>,
    /// Whether the backend gets the credentials too; `false` by default.
    pub keep_credentials: bool,
}

/// One way to tell who calls.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AuthWay")]
pub enum Way {
    /// Signed tokens (RFC 7519).
    Jwt(Jwt),
    /// Keys of which a file or a shared store has the hashes.
    ApiKey(ApiKey),
    /// The client's certificate, which the listener has verified.
    Mtls(Mtls),
    /// Tokens that their issuer is asked about (RFC 7662).
    Introspection(Introspection),
    /// Ways that are all needed.
    AllOf(Vec<Way>),
}

/// Tokens that issuers have signed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AuthJwt")]
pub struct Jwt {
    /// Whose tokens are taken; a token's `iss` says which one it is.
    pub issuers: Vec<Issuer>,
    /// Where the token stands; `[bearer, subprotocol]` by default.
    #[serde(default)]
    pub from: Option<Vec<From>>,
    /// Longer tokens are refused unread, in bytes; 8192 by default.
    #[serde(default = "max_token")]
    pub max_token: usize,
}

fn max_token() -> usize {
    8 << 10
}

/// One issuer of tokens. Its keys come from its discovery document unless another source is named.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AuthIssuer")]
pub struct Issuer {
    /// The tokens' `iss`, to the letter.
    pub issuer: String,
    /// A token's `aud` has to name one of these; `["*"]` takes tokens for anybody.
    pub audiences: Vec<String>,
    /// Where the JSON Web Key Set (RFC 7517) is fetched.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// A file with a JSON Web Key Set, or one public key in PEM; read again when it changes.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// The JSON Web Key Set itself, or one public key in PEM.
    #[serde(default)]
    pub jwks: Option<String>,
    /// The secret of the HS algorithms, at least 32 bytes: `${JWT_SECRET}`.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// Algorithms that tokens may be signed with; `[RS256, PS256, ES256, EdDSA]` by default, and
    /// `[HS256]` with `secret`.
    #[serde(default)]
    pub algorithms: Option<Vec<String>>,
    /// What a token's `typ` may be, without `application/`; `[JWT, at+jwt]` by default, and a token
    /// without one is taken where `JWT` is among them.
    #[serde(default)]
    pub types: Option<Vec<String>>,
    /// How far clocks may be apart; `30s` by default, at most `5m`.
    #[serde(default = "skew", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub skew: Duration,
    /// Tokens that were made for longer, from `iat` to `exp`, are refused; no limit by default.
    #[serde(default, deserialize_with = "optional_duration")]
    #[schemars(with = "Option<String>")]
    pub max_lifetime: Option<Duration>,
    /// The claim that is the principal's id; `sub` by default.
    #[serde(default = "subject")]
    pub id_claim: String,
    /// The claim that has the scopes, as a list or between spaces; `scope`, else `scp` by default.
    #[serde(default)]
    pub scope_claim: Option<String>,
    /// A token whose key nobody knows has the keys fetched again, but not within this time of the last
    /// fetch, whoever makes up how many names of keys; `30s` by default, at least `1s`.
    #[serde(default = "refetch", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub refetch: Duration,
    /// A PEM file of authorities to trust when keys are fetched; the system's by default.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Whether keys may be fetched without TLS; `false` by default.
    #[serde(default)]
    pub allow_http: bool,
}

fn skew() -> Duration {
    Duration::from_secs(30)
}

fn refetch() -> Duration {
    Duration::from_secs(30)
}

fn subject() -> String {
    "sub".to_owned()
}

/// Where a credential stands.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AuthFrom")]
pub enum From {
    /// `authorization: Bearer …`
    Bearer,
    /// The subprotocol `bearer.…` of a WebSocket's handshake.
    Subprotocol,
    /// The whole value of the header of this name.
    Header(String),
    /// The cookie of this name.
    Cookie(String),
    /// The query parameter of this name, which ends up in the logs of others: a last resort. Name it
    /// among `ignored_parameters` too.
    Query(String),
}

/// Keys of which a file or a shared store has the hashes; `transom keys create` makes them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AuthApiKey")]
pub struct ApiKey {
    /// The file of the keys, read again when it changes.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Instead of a file: the Redis or Valkey that has them, each as JSON under its `prefix` and
    /// the id.
    #[serde(default)]
    pub redis: Option<store::Settings>,
    /// With `redis`: how long a key is believed, and so how long one that was revoked is still good;
    /// `10s` by default.
    #[serde(default = "cache_key_for", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub cache_for: Duration,
    /// With `redis`: how long it is believed that there is no such key; `5s` by default.
    #[serde(default = "cache_unknown_for", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub cache_unknown_for: Duration,
    /// With `redis`: how old what was read last may be while the store gives no answer; `5m` by
    /// default, and `0s` refuses such calls once `cache_for` is over.
    #[serde(default = "stale_for", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub stale_for: Duration,
    /// Where the key stands; `[{ header: x-api-key }]` by default.
    #[serde(default)]
    pub from: Option<Vec<From>>,
}

fn cache_key_for() -> Duration {
    Duration::from_secs(10)
}

fn cache_unknown_for() -> Duration {
    Duration::from_secs(5)
}

fn stale_for() -> Duration {
    Duration::from_secs(300)
}

/// Which certificates are taken: any that was verified, or those that fit one of the patterns. A
/// pattern may end in `*`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "AuthMtls")]
pub struct Mtls {
    /// The subject as RFC 4514 writes it: `CN=reader,O=Library`.
    pub subjects: Vec<String>,
    /// A DNS name, URI or e-mail address of the subjectAltName.
    pub names: Vec<String>,
    /// The SPIFFE id: `spiffe://example.org/*`.
    pub spiffe_ids: Vec<String>,
}

/// Tokens that their issuer is asked about (RFC 7662).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AuthIntrospection")]
pub struct Introspection {
    /// The introspection endpoint.
    pub url: String,
    /// By which name the gateway asks.
    pub client_id: String,
    /// The secret to it: `${SECRET}`.
    pub client_secret: Secret,
    /// Where the token stands; `[bearer, subprotocol]` by default.
    #[serde(default)]
    pub from: Option<Vec<From>>,
    /// A token's `aud` has to name one of these, where any are named.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// How long an answer may take before the call fails; `2s` by default.
    #[serde(default = "answer_timeout", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub answer_timeout: Duration,
    /// How long a good answer is believed, at most until the token's `exp`; `30s` by default.
    #[serde(default = "cache_for", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub cache_for: Duration,
    /// How long it is believed that a token is not active; `10s` by default.
    #[serde(default = "cache_inactive_for", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub cache_inactive_for: Duration,
    /// A PEM file of authorities to trust; the system's by default.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Whether the issuer may be asked without TLS; `false` by default.
    #[serde(default)]
    pub allow_http: bool,
}

fn answer_timeout() -> Duration {
    Duration::from_secs(2)
}

fn cache_for() -> Duration {
    Duration::from_secs(30)
}

fn cache_inactive_for() -> Duration {
    Duration::from_secs(10)
}
