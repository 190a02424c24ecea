//! Where in a call a credential may stand, how it is found there, and how it is taken away.
//!
//! One call brings one credential of a kind. Where there are two, in one place or in two, a proxy
//! before us may have looked at the other one: such a call is refused, never judged by either.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, header::COOKIE};

use super::denial::Denial;
use crate::exchange::{Approach, Exchange, Metadata};
use std::sync::Arc;

/// One place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `authorization: Bearer …`
    Bearer,
    /// The whole value of a header.
    Header(HeaderName),
    /// A cookie.
    Cookie(String),
    /// `bearer.…` among the subprotocols of a WebSocket's handshake.
    Subprotocol,
    /// A query parameter.
    Query(String),
}

/// The one credential that the places hold.
///
/// # Errors
/// There are several.
pub(super) fn find<'e>(
    places: &[Place],
    exchange: &'e Exchange,
) -> Result<Option<Cow<'e, str>>, Denial> {
    let mut found = None;
    for place in places {
        let mut take = |credential: Cow<'e, str>| match found.replace(credential) {
            Some(_) => Err(Denial::AMBIGUOUS),
            None => Ok(()),
        };
        let approach = exchange.extensions.get::<Arc<Approach>>();
        match place {
            Place::Bearer => {
                for value in exchange.metadata.get_all(http::header::AUTHORIZATION) {
                    bearer(value).map_or(Ok(()), |token| take(token.into()))?;
                }
            }
            Place::Header(name) => {
                for value in exchange.metadata.get_all(name) {
                    take(value.to_str().unwrap_or_default().trim().into())?;
                }
            }
            Place::Cookie(name) => {
                for value in cookies(&exchange.metadata, name) {
                    take(value.into())?;
                }
            }
            Place::Subprotocol => {
                for token in approach.iter().flat_map(|approach| &approach.tokens) {
                    take(token.as_str().into())?;
                }
            }
            Place::Query(name) => {
                let query = approach.and_then(|approach| approach.uri.query()).unwrap_or_default();
                for value in parameters(query, name) {
                    take(value.into())?;
                }
            }
        }
    }
    Ok(found)
}

/// Takes the credentials of these places out of what the backend gets.
pub(super) fn strip(places: &[Place], metadata: &mut Metadata) {
    for place in places {
        match place {
            Place::Bearer => {
                if metadata.get_all(http::header::AUTHORIZATION).iter().any(|v| bearer(v).is_some())
                {
                    metadata.remove(http::header::AUTHORIZATION);
                }
            }
            Place::Header(name) => drop(metadata.remove(name)),
            Place::Cookie(name) => strip_cookie(metadata, name),
            // No backend gets these.
            Place::Subprotocol | Place::Query(_) => {}
        }
    }
}

/// The token of `Bearer …` (RFC 6750 §2.1); the scheme's case doesn't matter (RFC 9110 §11.1).
fn bearer(value: &HeaderValue) -> Option<&str> {
    const SCHEME: &[u8] = b"bearer";
    let bytes = value.as_bytes();
    let (scheme, rest) = bytes.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) || rest.first().is_some_and(|byte| *byte != b' ') {
        return None;
    }
    // What isn't text is a token, if a bad one.
    Some(std::str::from_utf8(rest).unwrap_or_default().trim())
}

/// The values of all cookies of this name (RFC 6265 §5.4).
fn cookies<'m>(metadata: &'m Metadata, name: &str) -> impl Iterator<Item = &'m str> {
    let pairs = metadata.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = pairs.flat_map(|value| value.split(';'));
    pairs.filter_map(move |pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"'))
    })
}

/// Leaves all other cookies.
fn strip_cookie(metadata: &mut Metadata, name: &str) {
    if cookies(metadata, name).next().is_none() {
        return;
    }
    let others: Vec<&str> = metadata
        .get_all(COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .map(str::trim)
        .filter(|pair| pair.split_once('=').is_none_or(|(key, _)| key.trim() != name))
        .filter(|pair| !pair.is_empty())
        .collect();
    let others = HeaderValue::from_str(&others.join("; ")).ok();
    metadata.remove(COOKIE);
    if let Some(others) = others.filter(|others| !others.is_empty()) {
        metadata.insert(COOKIE, others);
    }
}

/// The values of all query parameters of this name. Tokens have no characters that would need to be
/// percent-encoded; one that is encoded all the same is no token.
fn parameters<'q>(query: &'q str, name: &str) -> impl Iterator<Item = &'q str> {
    query.split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}
