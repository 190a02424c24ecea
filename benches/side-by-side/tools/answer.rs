//! What a call must be answered with, in whichever way a gateway writes it.

use bytes::Bytes;
use serde_json::Value;

/// What is right.
#[derive(Clone)]
pub(crate) enum Answer {
    /// One JSON document.
    Json(Value),
    /// Many: an array, or one a line.
    JsonStream(Vec<Value>),
    /// gRPC frames; that `grpc-status` is 0 is seen to where trailers are read.
    Frames(Bytes),
    /// gRPC frames, and behind them a frame with the trailers.
    WebFrames(Bytes),
}

impl Answer {
    /// Whether a whole body is right.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with its beginning.
    pub(crate) fn check(&self, body: &[u8]) -> Result<(), String> {
        let right = match self {
            Self::Json(want) => {
                serde_json::from_slice::<Value>(body).is_ok_and(|have| same(want, &have))
            }
            Self::JsonStream(want) => documents(body).is_some_and(|have| {
                want.len() == have.len() && want.iter().zip(&have).all(|(a, b)| same(a, b))
            }),
            Self::Frames(want) => want == body,
            Self::WebFrames(want) => body.strip_prefix(&want[..]).is_some_and(ends_well),
        };
        if right {
            return Ok(());
        }
        let start = String::from_utf8_lossy(&body[..body.len().min(200)]);
        Err(format!("not the right answer, {} bytes: {start}", body.len()))
    }
}

/// The documents of a stream.
fn documents(body: &[u8]) -> Option<Vec<Value>> {
    let parsed = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    let mut documents: Vec<Value> = parsed.collect::<Result<_, _>>().ok()?;
    match documents.as_mut_slice() {
        [Value::Array(elements)] => Some(std::mem::take(elements)),
        _ => Some(documents),
    }
}

/// Whether two documents say the same: `1` is `1.0`.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Whether a trailer frame of gRPC-Web says OK and is the last.
fn ends_well(frame: &[u8]) -> bool {
    let Some((&[0x80, a, b, c, d], text)) = frame.split_first_chunk::<5>() else { return false };
    let text = String::from_utf8_lossy(text);
    let whole = u32::from_be_bytes([a, b, c, d]) as usize == text.len();
    whole && text.lines().any(|line| line.replace(' ', "") == "grpc-status:0")
}

/// A message in its gRPC frame.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat().into()
}
