//! google.rpc.Status as JSON, with every detail that can be read decoded.

use super::{Plans, Settings, kernel::Buffer, writer};

/// Appends `{"code": …, "message": …, "details": […]}`.
///
/// `details` are type URLs and messages. A detail whose type the plans don't know, or whose bytes
/// aren't a message of its type, is written as `{"@type": url, "value": base64}`.
pub fn status_to_json<'d>(
    plans: &Plans,
    settings: &Settings,
    code: i32,
    message: &str,
    details: impl IntoIterator<Item = (&'d str, &'d [u8])>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"code\":");
    out.extend_from_slice(itoa::Buffer::new().format(code).as_bytes());
    out.extend_from_slice(b",\"message\":");
    push_string(message, out);
    out.extend_from_slice(b",\"details\":[");
    let mut scratch = writer::Scratch::default();
    for (index, (url, value)) in details.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let mut any = Buffer::default();
        any.push(0x0a);
        any.varint(url.len() as u64);
        any.slice(url.as_bytes());
        any.push(0x12);
        any.varint(value.len() as u64);
        any.slice(value);
        let any = any.into_bytes();
        let start = out.len();
        let bytes = std::mem::take(out);
        let mut writer =
            writer::Writer::new(&plans.0, settings, usize::MAX, &any, bytes, &mut scratch);
        let result = writer.whole_detail();
        *out = writer.into_output();
        if result.is_err() {
            out.truncate(start);
            out.extend_from_slice(b"{}");
        }
    }
    out.extend_from_slice(b"]}");
}

fn push_string(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}
