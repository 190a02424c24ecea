//! The message of an answer that has exactly one.

use bytes::Bytes;

use crate::{
    error::{Code, Error, Origin},
    exchange::Messages,
};

/// The message of a call that answers with one; its status comes behind the message, and counts.
///
/// # Errors
/// The call's own, and INTERNAL for no message or several.
pub async fn only_message(messages: &mut Messages) -> Result<Bytes, Error> {
    let broken =
        |message| Error::new(Code::Internal, "bad_response", message).with_origin(Origin::Upstream);
    let message = messages.next().await.transpose()?;
    let message = message.ok_or_else(|| broken("the backend's answer has no message"))?;
    match messages.next().await.transpose()? {
        None => Ok(message),
        Some(_) => Err(broken("the backend's answer has more than one message")),
    }
}
