//! The two subprotocols, and which one a caller wants (RFC 6455 §4.2.2, `Sec-WebSocket-Protocol`).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

use super::door::Terms;
use crate::{error::Error, protocol::json};

/// How messages look on the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tongue {
    /// `transom.json`: text frames of JSON.
    Json,
    /// `transom.proto`: binary frames of protobuf.
    Proto,
}

const NAMES: [(&str, Tongue); 2] =
    [("transom.json", Tongue::Json), ("transom.proto", Tongue::Proto)];

impl Tongue {
    /// The first of the offered subprotocols that is ours, with the name to answer with; JSON,
    /// unnamed, where none is offered.
    ///
    /// # Errors
    /// INVALID_ARGUMENT where what is offered is none of ours: a browser would fail the connection
    /// without a word if the answer named none of them (RFC 6455 §4.1).
    pub(super) fn of(headers: &HeaderMap) -> Result<(Self, Option<HeaderValue>), Error> {
        let mut offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter().peekable();
        if offered.peek().is_none() {
            return Ok((Self::Json, None));
        }
        let names = offered.filter_map(|value| value.to_str().ok());
        let mut names = names.flat_map(|value| value.split(',')).map(str::trim);
        let ours = names.find_map(|name| NAMES.iter().find(|(ours, _)| *ours == name));
        let (name, tongue) = ours.ok_or_else(|| {
            Error::invalid(
                "unknown_subprotocol",
                "none of the offered subprotocols is known here; offer `transom.json` or \
                 `transom.proto`, or none for JSON",
            )
        })?;
        Ok((*tongue, Some(HeaderValue::from_static(name))))
    }

    /// The kind of frame that messages are.
    pub(super) fn kind(self) -> Data {
        match self {
            Self::Json => Data::Text,
            Self::Proto => Data::Binary,
        }
    }

    /// Whether a payload is a message without anything in it.
    pub(super) fn is_empty(self, payload: &[u8]) -> bool {
        match self {
            Self::Json => {
                let mut rest = payload.iter().filter(|byte| !byte.is_ascii_whitespace());
                matches!(
                    (rest.next(), rest.next(), rest.next()),
                    (None, ..) | (Some(b'{'), Some(b'}'), None)
                )
            }
            Self::Proto => payload.is_empty(),
        }
    }

    /// The wire bytes of a message from downstream.
    pub(super) fn read(self, terms: &Terms, payload: Bytes) -> Result<Bytes, Error> {
        match self {
            Self::Json => {
                let limit = terms.limits.request_message;
                json::read(&terms.input, &terms.json, limit, &payload)
            }
            Self::Proto => Ok(payload),
        }
    }

    /// The payload of a message to downstream.
    pub(super) fn write(self, terms: &Terms, message: Bytes) -> Result<Bytes, Error> {
        match self {
            Self::Json => {
                // JSON is two to three times its wire form, as a rule.
                let mut text = Vec::with_capacity(message.len() * 3 + 64);
                let limit = terms.limits.response_message;
                json::write(&terms.output, &terms.json, limit, &message, &mut text)?;
                Ok(text.into())
            }
            Self::Proto => Ok(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(offers: &[&str]) -> Option<(Tongue, Option<String>)> {
        let mut headers = HeaderMap::new();
        for offer in offers {
            headers.append(SEC_WEBSOCKET_PROTOCOL, offer.parse().unwrap());
        }
        let (tongue, name) = Tongue::of(&headers).ok()?;
        Some((tongue, name.map(|name| name.to_str().unwrap().to_owned())))
    }

    #[test]
    fn first_offer_that_is_ours_is_taken() {
        let json = Some((Tongue::Json, Some("transom.json".to_owned())));
        let proto = Some((Tongue::Proto, Some("transom.proto".to_owned())));
        assert_eq!(chosen(&[]), Some((Tongue::Json, None)));
        assert_eq!(chosen(&["transom.json"]), json);
        assert_eq!(chosen(&["chat, transom.proto , transom.json"]), proto);
        assert_eq!(chosen(&["chat", "transom.json"]), json);
        assert_eq!(chosen(&["chat"]), None);
        assert_eq!(chosen(&["Transom.JSON"]), None, "names have a case");
        assert_eq!(chosen(&[""]), None);
    }
}
