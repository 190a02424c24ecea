//! What the doors of gRPC and gRPC-Web have in common: both name a method by its path,
//! `/pkg.Service/Method`, and say the same in the heads of request and answer.

pub mod answer;
pub mod refusal;

use http::request::Parts;

use super::{
    Caller, Methods,
    codec::Codec,
    deadline,
    incoming::{self, Pieces, Terms},
    metadata,
    outgoing::FrameWriter,
    packing::GRPC,
};
use crate::{
    coding::Codings,
    error::{Code, Error, Origin},
    exchange::{Exchange, Messages},
};

/// A call of which all but the messages has been read.
pub struct Opened {
    exchange: Exchange,
    terms: Terms,
}

/// Reads a request's head.
///
/// # Errors
/// UNIMPLEMENTED for a method that nobody declares and for messages that are packed in an unknown
/// way; INVALID_ARGUMENT for metadata or a time-out that is none.
pub fn open(
    methods: &Methods,
    head: &Parts,
    caller: &Caller,
    codec: Codec,
) -> Result<Opened, Error> {
    let metadata = metadata::from_request(head, caller)?;
    let path = head.uri.path();
    let method = methods.schema.method_by_path(path).ok_or_else(|| unknown(path))?.clone();
    let deadline = deadline::stated(&head.headers)?;
    let limits = methods.policy(&method).limits;
    let json = match codec {
        Codec::Proto => None,
        Codec::Json => methods.shape(&method).cloned(),
    };
    // What becomes JSON has to be plain.
    let codings = if json.is_some() { Codings::NONE } else { GRPC.accepted(&head.headers) };
    let terms = Terms {
        limit: limits.request_message,
        coding: GRPC.sent(&head.headers)?,
        names: &GRPC,
        broken: Code::Internal,
        json,
        streaming: method.client_streaming,
        eager: head.version == http::Version::HTTP_2,
    };
    let exchange = Exchange {
        method,
        metadata,
        messages: Messages::none(),
        deadline,
        limits,
        codings,
        worker: caller.worker,
        extensions: http::Extensions::new(),
        journal: None,
    };
    Ok(Opened { exchange, terms })
}

impl Opened {
    /// Writes the frames of the answer.
    pub fn writer(&self) -> FrameWriter {
        FrameWriter { json: self.terms.json.clone(), coding: None }
    }

    /// The call with its messages, which come in frames.
    pub fn with_messages(mut self, pieces: impl Pieces) -> Exchange {
        self.exchange.messages = incoming::messages(pieces, self.terms);
        self.exchange
    }
}

fn unknown(path: &str) -> Error {
    let message =
        format!("no service has the method `{path:.200}`; ask for `/package.Service/Method`");
    Error::new(Code::Unimplemented, "no_method", message).with_origin(Origin::Downstream)
}
