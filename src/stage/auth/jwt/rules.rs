//! What an issuer's tokens have to say (RFC 7519 §4.1, RFC 8725, RFC 9068).

use std::time::Duration;

use serde_json::{Map, Value};

use super::{
    algorithm::{ALGORITHMS, Algorithm},
    token::{Header, Token},
};
use crate::{
    exchange::{Identity, Principal, PrincipalKind},
    stage::{
        Finding,
        auth::{denial::Denial, settings},
    },
};

/// The largest skew that is taken for one.
const MAX_SKEW: Duration = Duration::from_secs(300);

/// The shortest secret of HMAC, in bytes: as long as HS256's hash (RFC 7518 §3.2).
const SHORTEST_SECRET: usize = 32;

/// What is asked of one issuer's tokens.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) issuer: String,
    audiences: Vec<String>,
    algorithms: Vec<Algorithm>,
    /// In lower case, without `application/`.
    types: Vec<String>,
    skew: i64,
    max_lifetime: Option<i64>,
    id_claim: String,
    scope_claim: Option<String>,
}

/// A token that holds.
#[derive(Debug)]
pub(super) struct Holds {
    pub(super) principal: Principal,
    /// When it ends, in seconds since 1970, without any skew.
    pub(super) until: i64,
    /// The SHA-256 of the certificate that it may be used with alone (RFC 8705 §3.1).
    pub(super) certificate: Option<[u8; 32]>,
}

impl Rules {
    /// Checks an issuer's settings.
    pub(super) fn compile(written: &settings::Issuer) -> Result<Self, Finding> {
        let finding = |key: &str, message: &str| (key.to_owned(), message.to_owned());
        if written.issuer.is_empty() {
            return Err(finding("issuer", "write what the tokens' `iss` is"));
        }
        if written.audiences.is_empty() {
            let message = "a token for somebody else must not be taken: write what the tokens' \
                           `aud` has to name, or `[\"*\"]`";
            return Err(finding("audiences", message));
        }
        if written.skew > MAX_SKEW {
            return Err(finding("skew", "clocks are not that far apart: write at most `5m`"));
        }
        if written.secret.as_ref().is_some_and(|secret| secret.reveal().len() < SHORTEST_SECRET) {
            return Err(finding(
                "secret",
                "a secret of fewer than 32 bytes can be guessed: make one \
                                          with `openssl rand -base64 32`",
            ));
        }
        let types = match &written.types {
            Some(types) => types.iter().map(|one| plain_type(one)).collect(),
            None => vec!["jwt".to_owned(), "at+jwt".to_owned()],
        };
        Ok(Self {
            issuer: written.issuer.clone(),
            audiences: written.audiences.clone(),
            algorithms: algorithms(written)?,
            types,
            skew: seconds(written.skew),
            max_lifetime: written.max_lifetime.map(seconds),
            id_claim: written.id_claim.clone(),
            scope_claim: written.scope_claim.clone(),
        })
    }

    /// The algorithm of a token, if tokens may be signed with it.
    pub(super) fn algorithm(&self, header: &Header) -> Result<Algorithm, Denial> {
        let algorithm = Algorithm::of(&header.alg).filter(|one| self.algorithms.contains(one));
        algorithm.ok_or(Denial::refused("token_algorithm"))
    }

    /// Judges the claims of a token whose signature is good; `now` in seconds since 1970.
    pub(super) fn judge(&self, token: Token<'_>, now: i64) -> Result<Holds, Denial> {
        let Token { header, claims, .. } = token;
        self.check_type(&header)?;
        let until = self.check_times(&claims, now)?;
        if !is_for(&self.audiences, claims.get("aud")) {
            return Err(Denial::refused("token_audience"));
        }
        let certificate = bound_to(&claims)?;
        let id = claims.get(&self.id_claim).and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = id.ok_or(Denial::refused("token_subject"))?.to_owned();
        let principal = Principal {
            id,
            issuer: self.issuer.clone(),
            kind: PrincipalKind::Jwt,
            scopes: scopes(&claims, self.scope_claim.as_deref()),
            claims,
        };
        Ok(Holds { principal, until, certificate })
    }

    fn check_type(&self, header: &Header) -> Result<(), Denial> {
        let own = header.typ.as_deref().map_or_else(|| "jwt".to_owned(), plain_type);
        match self.types.contains(&own) {
            true => Ok(()),
            false => Err(Denial::refused("token_type")),
        }
    }

    /// Checks all that has to do with time; gives the end.
    fn check_times(&self, claims: &Map<String, Value>, now: i64) -> Result<i64, Denial> {
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            // NumericDate may have a fraction; what is no time at all is not the same as none.
            Some(value) => match value.as_f64().filter(|time| (0.0..1e12).contains(time)) {
                Some(time) => Ok(Some(time as i64)),
                None => Err(Denial::refused("token_times")),
            },
        };
        let (ends, begins, made) = (time("exp")?, time("nbf")?, time("iat")?);
        let ends = ends.ok_or(Denial::refused("token_times"))?;
        if now >= ends + self.skew {
            return Err(Denial::refused("token_expired"));
        }
        if begins.into_iter().chain(made).any(|begins| begins > now + self.skew) {
            return Err(Denial::refused("token_not_yet_valid"));
        }
        if let Some(longest) = self.max_lifetime
            && made.is_none_or(|made| ends - made > longest)
        {
            return Err(Denial::refused("token_lifetime"));
        }
        Ok(ends)
    }
}

/// The algorithms that are allowed; a secret and public keys never share one.
fn algorithms(written: &settings::Issuer) -> Result<Vec<Algorithm>, Finding> {
    let secret = written.secret.is_some();
    let default: &[&str] = if secret { &["HS256"] } else { &["RS256", "PS256", "ES256", "EdDSA"] };
    let names: Vec<&str> = match &written.algorithms {
        Some(names) => names.iter().map(String::as_str).collect(),
        None => default.to_vec(),
    };
    let mut algorithms = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let path = format!("algorithms[{index}]");
        let Some(algorithm) = Algorithm::of(name) else {
            let known: Vec<_> = ALGORITHMS.iter().map(|one| one.name).collect();
            let message =
                format!("`{name}` is no algorithm that is taken: write {}", known.join(", "));
            return Err((path, message));
        };
        if (algorithm.family == jsonwebtoken::AlgorithmFamily::Hmac) != secret {
            let message = match secret {
                true => {
                    format!("`{name}` needs a public key, and there is a secret: write `HS256`")
                }
                false => format!("`{name}` needs a `secret`; a public key is none: write `RS256`"),
            };
            return Err((path, message));
        }
        algorithms.push(algorithm);
    }
    if algorithms.is_empty() {
        let message = "without any algorithm no token is taken: leave it out, or write `[RS256]`";
        return Err(("algorithms".into(), message.into()));
    }
    Ok(algorithms)
}

/// A media type as `typ` has it (RFC 7515 §4.1.9): its case doesn't matter.
fn plain_type(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    lower.strip_prefix("application/").unwrap_or(&lower).to_owned()
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 4)
}

/// Whether an `aud`, one name or a list of them, has one that is ours.
pub(in crate::stage::auth) fn is_for(audiences: &[String], claim: Option<&Value>) -> bool {
    let is_ours = |one: &Value| {
        one.as_str().is_some_and(|one| audiences.iter().any(|audience| audience == one))
    };
    match claim {
        _ if audiences.iter().any(|audience| audience == "*") => true,
        Some(Value::Array(list)) => list.iter().any(is_ours),
        Some(one) => is_ours(one),
        None => false,
    }
}

/// The scopes that a claim has: between spaces (RFC 8693 §4.2), or in a list.
pub(in crate::stage::auth) fn scopes(
    claims: &Map<String, Value>,
    name: Option<&str>,
) -> Vec<String> {
    let claim = match name {
        Some(name) => claims.get(name),
        None => claims.get("scope").or_else(|| claims.get("scp")),
    };
    match claim {
        Some(Value::String(text)) => {
            text.split(' ').filter(|one| !one.is_empty()).map(str::to_owned).collect()
        }
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// The certificate that a token is bound to (RFC 8705 §3.1). A token that is bound to something else
/// (RFC 9449 to a key, for example) must not be taken as if it were bound to nothing.
pub(in crate::stage::auth) fn bound_to(
    claims: &Map<String, Value>,
) -> Result<Option<[u8; 32]>, Denial> {
    let Some(confirmation) = claims.get("cnf") else { return Ok(None) };
    let bound = confirmation.as_object().filter(|members| members.len() == 1);
    let digest = bound.and_then(|members| members.get("x5t#S256")).and_then(Value::as_str);
    let digest = digest.and_then(|text| base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok());
    let digest = digest.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    digest.map(Some).ok_or(Denial::refused("token_confirmation"))
}

/// Whether a call comes with the certificate that its token is bound to.
pub(in crate::stage::auth) fn check_bound(
    certificate: Option<&[u8; 32]>,
    identity: Option<&Identity>,
) -> Result<(), Denial> {
    match certificate {
        Some(bound) if identity.is_none_or(|shown| shown.fingerprint != *bound) => {
            Err(Denial::refused("token_certificate"))
        }
        _ => Ok(()),
    }
}
