//! Asks by gRPC, in the words of Envoy's external authorization.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use base64_simd::STANDARD;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, StatusCode};
use prost_types::{Struct, value::Kind};
use serde_json::{Map, Number, Value};

use super::{
    account::Account,
    verdict::{self, Pass, Verdict},
};
use crate::{
    callout::{
        Callout, Occasion,
        types::envoy::{
            config::core::v3::{
                Address, HeaderValueOption, SocketAddress, address, socket_address,
            },
            service::auth::v3::{
                AttributeContext, CheckRequest, CheckResponse,
                attribute_context::{HttpRequest, Peer, Request},
                check_response::HttpResponse,
            },
        },
    },
    error::Code,
    stage::names::{is_reserved, may_be_set},
};

/// The method that is called.
pub(super) const METHOD: &str = "/envoy.service.auth.v3.Authorization/Check";

/// Past this depth nobody looks for claims.
const DEPTH: usize = 16;

/// A service that is asked by gRPC.
pub(super) struct Grpc {
    pub(super) callout: Callout,
    pub(super) timeout: Duration,
    pub(super) context: BTreeMap<String, String>,
}

impl Grpc {
    /// Asks about a call.
    ///
    /// # Errors
    /// Why there is no verdict, in a sentence for the log.
    pub(super) fn ask<'a>(
        &'a self,
        account: &Account<'_>,
    ) -> BoxFuture<'a, Result<Verdict, String>> {
        let occasion = Occasion::of(account.exchange, self.timeout);
        let question = CheckRequest { attributes: Some(self.attributes(account)) };
        Box::pin(async move {
            let answer: CheckResponse =
                self.callout.ask(&question, occasion).await.map_err(|error| error.to_string())?;
            read(answer)
        })
    }

    fn attributes(&self, account: &Account<'_>) -> AttributeContext {
        let mut headers = account.header_map();
        let pseudo = [
            (":authority", account.host()),
            (":method", account.method()),
            (":path", account.path()),
            (":scheme", account.scheme()),
        ];
        headers.extend(pseudo.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let http = HttpRequest {
            id: headers.get("x-request-id").cloned().unwrap_or_default(),
            method: account.method().to_owned(),
            path: account.path().to_owned(),
            host: account.host().to_owned(),
            scheme: account.scheme().to_owned(),
            size: account.size.map_or(-1, |size| i64::try_from(size).unwrap_or(i64::MAX)),
            protocol: account.protocol().to_owned(),
            raw_body: account.message.as_ref().map(|message| message.to_vec()).unwrap_or_default(),
            headers,
        };
        let mut context_extensions = self.context.clone();
        // Paths are many, methods are what policies hang on.
        context_extensions
            .insert("transom.method".to_owned(), account.exchange.method.full_name.to_string());
        let time = Some(SystemTime::now().into());
        AttributeContext {
            source: Some(Peer {
                address: account.source().map(address),
                principal: account.principal().unwrap_or_default().to_owned(),
                certificate: account
                    .identity()
                    .map(|identity| pem(&identity.certificate))
                    .unwrap_or_default(),
            }),
            destination: Some(Peer {
                address: account.destination().map(address),
                ..Peer::default()
            }),
            request: Some(Request { time, http: Some(http) }),
            context_extensions,
        }
    }
}

fn address((address, port): (String, u16)) -> Address {
    let port = Some(socket_address::PortSpecifier::PortValue(port.into()));
    let socket = SocketAddress { address, port_specifier: port };
    Address { address: Some(address::Address::SocketAddress(socket)) }
}

/// A certificate as Envoy sends it: PEM, percent-encoded.
fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN%20CERTIFICATE-----%0A");
    for line in STANDARD.encode_to_string(der).as_bytes().chunks(64) {
        for byte in line {
            match byte {
                b'+' => text.push_str("%2B"),
                b'/' => text.push_str("%2F"),
                b'=' => text.push_str("%3D"),
                byte => text.push(char::from(*byte)),
            }
        }
        text.push_str("%0A");
    }
    text + "-----END%20CERTIFICATE-----%0A"
}

/// Reads an answer.
///
/// # Errors
/// It can't be acted on.
fn read(answer: CheckResponse) -> Result<Verdict, String> {
    let CheckResponse { status, http_response, dynamic_metadata } = answer;
    // No status at all is not the same as OK: a service that says nothing has decided nothing.
    let status = status.ok_or("the answer has no status")?;
    let code = Code::from_number(u32::try_from(status.code).unwrap_or(u32::MAX));
    match (code, http_response) {
        (Code::Ok, Some(HttpResponse::OkResponse(ok))) => {
            let mut pass = Pass { claims: claims(dynamic_metadata), ..Pass::default() };
            for option in ok.headers {
                let is_added = option.append.unwrap_or_default();
                if let Some((name, value)) = header(option)? {
                    pass.to_backend.push((name, value, is_added));
                }
            }
            for name in ok.headers_to_remove {
                let name = name.to_ascii_lowercase();
                let header = HeaderName::from_bytes(name.as_bytes());
                let header = header.map_err(|_| format!("`{name}` is no header name"))?;
                pass.removed.extend((!is_reserved(&name)).then_some(header));
            }
            pass.to_caller = headers(ok.response_headers_to_add)?;
            Ok(Verdict::Pass(pass))
        }
        (Code::Ok, None) => {
            Ok(Verdict::Pass(Pass { claims: claims(dynamic_metadata), ..Pass::default() }))
        }
        (Code::Ok, Some(HttpResponse::DeniedResponse(_))) => {
            Err("the answer is OK and denies the call".to_owned())
        }
        (code, response) => {
            let (written, headers, body) = match response {
                Some(HttpResponse::DeniedResponse(denied)) => {
                    let status = denied.status.map(|status| status.code);
                    (status, self::headers(denied.headers)?, denied.body)
                }
                _ => (None, Vec::new(), String::new()),
            };
            let written = written.and_then(|code| StatusCode::from_u16(code.try_into().ok()?).ok());
            // 403, unless the service has said it in either tongue.
            let own = match code {
                Code::Unauthenticated | Code::ResourceExhausted | Code::NotFound => {
                    code.http_status()
                }
                _ => StatusCode::FORBIDDEN,
            };
            let denied = written.and_then(|status| verdict::deny(status, body.as_bytes()));
            let denied = denied.or_else(|| verdict::deny(own, body.as_bytes()));
            let denied = denied.ok_or("the answer denies the call with no status of an error")?;
            let add = |error: crate::error::Error, (name, value)| error.with_header(name, value);
            Ok(Verdict::Deny(headers.into_iter().fold(denied, add)))
        }
    }
}

fn headers(options: Vec<HeaderValueOption>) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    options.into_iter().filter_map(|option| header(option).transpose()).collect()
}

/// A header that a service sets; none for those that aren't its to set, and for empty ones.
fn header(option: HeaderValueOption) -> Result<Option<(HeaderName, HeaderValue)>, String> {
    let Some(header) = option.header else { return Ok(None) };
    let name = header.key.to_ascii_lowercase();
    if !may_be_set(&name) {
        return Ok(None);
    }
    let bytes = if header.value.is_empty() { header.raw_value } else { header.value.into() };
    if bytes.is_empty() && !option.keep_empty_value {
        return Ok(None);
    }
    let value = HeaderValue::from_bytes(&bytes);
    let header = HeaderName::from_bytes(name.as_bytes());
    match (header, value) {
        (Ok(header), Ok(value)) => Ok(Some((header, value))),
        _ => Err(format!("`{name}` can't be set to what the answer says")),
    }
}

/// What a service tells of a caller.
fn claims(told: Option<Struct>) -> Map<String, Value> {
    let fields = told.map(|told| told.fields).unwrap_or_default();
    fields.into_iter().map(|(name, value)| (name, json(value, 0))).collect()
}

fn json(value: prost_types::Value, depth: usize) -> Value {
    match value.kind {
        _ if depth > DEPTH => Value::Null,
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => value.into(),
        // Numbers are doubles on the way; whole ones are meant to be whole.
        Some(Kind::NumberValue(value)) if value.fract() == 0.0 && value.abs() < 9e15 => {
            (value as i64).into()
        }
        Some(Kind::NumberValue(value)) => Number::from_f64(value).map_or(Value::Null, Value::from),
        Some(Kind::StringValue(value)) => value.into(),
        Some(Kind::ListValue(list)) => {
            list.values.into_iter().map(|value| json(value, depth + 1)).collect()
        }
        Some(Kind::StructValue(one)) => {
            let fields = one.fields.into_iter();
            Value::Object(fields.map(|(name, value)| (name, json(value, depth + 1))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_is_pem_and_percent_encoded() {
        let text = pem(&[0xfb, 0xff, 0xfe, 0xff]);
        let want = "-----BEGIN%20CERTIFICATE-----%0A%2B%2F%2F%2B%2Fw%3D%3D%0A\
                    -----END%20CERTIFICATE-----%0A";
        assert_eq!(text, want);
    }

    #[test]
    fn metadata_of_any_kind_becomes_claims() {
        let value = |kind| prost_types::Value { kind: Some(kind) };
        let list = prost_types::ListValue { values: vec![value(Kind::BoolValue(true))] };
        let fields = [
            ("whole", Kind::NumberValue(7.0)),
            ("part", Kind::NumberValue(0.5)),
            ("none", Kind::NumberValue(f64::NAN)),
            ("list", Kind::ListValue(list)),
        ];
        let fields = fields.map(|(name, kind)| (name.to_owned(), value(kind)));
        let claims = claims(Some(Struct { fields: fields.into() }));
        let want = serde_json::json!({ "whole": 7, "part": 0.5, "none": null, "list": [true] });
        assert_eq!(Value::Object(claims), want);
    }
}
