//! The doors of the matrix, and how each wants its requests: types, deadlines, frames.

use base64_simd::STANDARD;

use super::{
    ECHO,
    calls::{Call, End, Kind},
    messages,
};
use crate::support::grpc::frame;

/// A protocol in one of its forms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Door {
    Grpc,
    GrpcWeb,
    GrpcWebText,
    ConnectJson,
    ConnectProto,
    /// In JSON, streams by the line.
    Rest,
    WebSocketJson,
    WebSocketProto,
}

pub(super) const DOORS: &[Door] = &[
    Door::Grpc,
    Door::GrpcWeb,
    Door::GrpcWebText,
    Door::ConnectJson,
    Door::ConnectProto,
    Door::Rest,
    Door::WebSocketJson,
    Door::WebSocketProto,
];

/// How long a caller with a deadline waits, in milliseconds: long enough for what comes before it
/// on a busy machine.
const DEADLINE: u32 = 1500;

impl Door {
    pub(super) fn is_websocket(self) -> bool {
        matches!(self, Self::WebSocketJson | Self::WebSocketProto)
    }

    /// Whether its messages are JSON.
    pub(super) fn is_json(self) -> bool {
        matches!(self, Self::ConnectJson | Self::Rest | Self::WebSocketJson)
    }

    /// The path of the method, by its name.
    pub(super) fn path(call: &Call) -> String {
        format!("/bookshelf.v1.Bookshelf/{}", call.method)
    }

    /// HTTP method and target.
    pub(super) fn target(self, call: &Call) -> (&'static str, String) {
        match self {
            Self::Rest => (call.rest.0, call.rest.1.to_owned()),
            _ => ("POST", Self::path(call)),
        }
    }

    fn content_type(self, call: &Call) -> Option<&'static str> {
        Some(match (self, call.kind) {
            (Self::Grpc, _) => "application/grpc",
            (Self::GrpcWeb, _) => "application/grpc-web+proto",
            (Self::GrpcWebText, _) => "application/grpc-web-text+proto",
            (Self::ConnectJson, Kind::Unary) => "application/json",
            (Self::ConnectJson, _) => "application/connect+json",
            (Self::ConnectProto, Kind::Unary) => "application/proto",
            (Self::ConnectProto, _) => "application/connect+proto",
            (Self::Rest, Kind::Unary) if call.rest.0 == "POST" => "application/json",
            (Self::Rest, Kind::ClientStream | Kind::Bidi) => "application/x-ndjson",
            (Self::Rest, _) | (Self::WebSocketJson | Self::WebSocketProto, _) => return None,
        })
    }

    /// The headers of the request, [`ECHO`] and the deadline among them.
    pub(super) fn headers(self, call: &Call) -> Vec<(&'static str, String)> {
        let mut headers: Vec<_> =
            ECHO.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        headers.extend(self.content_type(call).map(|value| ("content-type", value.to_owned())));
        match self {
            Self::Grpc => headers.push(("te", "trailers".to_owned())),
            Self::Rest if call.streams_answers() => {
                headers.push(("accept", "application/x-ndjson".to_owned()));
            }
            Self::WebSocketJson => {
                headers.push(("sec-websocket-protocol", "transom.json".to_owned()));
            }
            Self::WebSocketProto => {
                headers.push(("sec-websocket-protocol", "transom.proto".to_owned()));
            }
            _ => {}
        }
        headers.extend(call.brings.iter().cloned());
        if call.end == End::Deadline {
            headers.push(match self {
                Self::Grpc | Self::GrpcWeb | Self::GrpcWebText => {
                    ("grpc-timeout", format!("{DEADLINE}m"))
                }
                Self::ConnectJson | Self::ConnectProto => {
                    ("connect-timeout-ms", DEADLINE.to_string())
                }
                Self::Rest | Self::WebSocketJson | Self::WebSocketProto => {
                    ("x-request-timeout", (f64::from(DEADLINE) / 1000.0).to_string())
                }
            });
        }
        headers
    }

    /// All that is asked, as the bytes of a body.
    pub(super) fn body(self, call: &Call) -> Vec<u8> {
        if self == Self::Rest && call.rest.0 == "GET" {
            return Vec::new();
        }
        let messages = call.asks.iter().map(|ask| messages::write(self, call.method, ask));
        match (self, call.kind) {
            (Self::Rest, Kind::ClientStream | Kind::Bidi) => {
                messages.flat_map(|message| [message, b"\n".to_vec()].concat()).collect()
            }
            (Self::ConnectJson | Self::ConnectProto | Self::Rest, Kind::Unary) => {
                messages.flatten().collect()
            }
            // Each frame is padded by itself, as a client that sends them one by one has to.
            (Self::GrpcWebText, _) => messages
                .flat_map(|message| STANDARD.encode_to_string(frame(0, &message)).into_bytes())
                .collect(),
            _ => messages.flat_map(|message| frame(0, &message)).collect(),
        }
    }
}
