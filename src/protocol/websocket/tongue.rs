//! The two subprotocols, and which one a caller wants (RFC 6455 §4.2.2, `Sec-WebSocket-Protocol`).

use http::{HeaderMap, HeaderValue, header::SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

use crate::{error::Error, protocol::codec::Codec};

/// Text frames of JSON, or binary frames of protobuf.
const NAMES: [(&str, Codec); 2] = [("transom.json", Codec::Json), ("transom.proto", Codec::Proto)];

/// The first of the offered subprotocols that is ours, with the name to answer with; JSON, unnamed,
/// where none is offered.
///
/// # Errors
/// INVALID_ARGUMENT where what is offered is none of ours: a browser would fail the connection
/// without a word if the answer named none of them (RFC 6455 §4.1).
pub(super) fn of(headers: &HeaderMap) -> Result<(Codec, Option<HeaderValue>), Error> {
    let mut offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter().peekable();
    if offered.peek().is_none() {
        return Ok((Codec::Json, None));
    }
    let names = offered.filter_map(|value| value.to_str().ok());
    let mut names = names.flat_map(|value| value.split(',')).map(str::trim);
    let ours = names.find_map(|name| NAMES.iter().find(|(ours, _)| *ours == name));
    let (name, codec) = ours.ok_or_else(|| {
        Error::invalid(
            "unknown_subprotocol",
            "none of the offered subprotocols is known here; offer `transom.json` or \
             `transom.proto`, or none for JSON",
        )
    })?;
    Ok((*codec, Some(HeaderValue::from_static(name))))
}

/// The kind of frame that messages are.
pub(super) fn kind(codec: Codec) -> Data {
    match codec {
        Codec::Json => Data::Text,
        Codec::Proto => Data::Binary,
    }
}

/// Whether a payload is a message without anything in it.
pub(super) fn is_empty(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Json => {
            let mut rest = payload.iter().filter(|byte| !byte.is_ascii_whitespace());
            matches!(
                (rest.next(), rest.next(), rest.next()),
                (None, ..) | (Some(b'{'), Some(b'}'), None)
            )
        }
        Codec::Proto => payload.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(offers: &[&str]) -> Option<(Codec, Option<String>)> {
        let mut headers = HeaderMap::new();
        for offer in offers {
            headers.append(SEC_WEBSOCKET_PROTOCOL, offer.parse().unwrap());
        }
        let (codec, name) = of(&headers).ok()?;
        Some((codec, name.map(|name| name.to_str().unwrap().to_owned())))
    }

    #[test]
    fn first_offer_that_is_ours_is_taken() {
        let json = Some((Codec::Json, Some("transom.json".to_owned())));
        let proto = Some((Codec::Proto, Some("transom.proto".to_owned())));
        assert_eq!(chosen(&[]), Some((Codec::Json, None)));
        assert_eq!(chosen(&["transom.json"]), json);
        assert_eq!(chosen(&["chat, transom.proto , transom.json"]), proto);
        assert_eq!(chosen(&["chat", "transom.json"]), json);
        assert_eq!(chosen(&["chat"]), None);
        assert_eq!(chosen(&["Transom.JSON"]), None, "names have a case");
        assert_eq!(chosen(&[""]), None);
    }
}
