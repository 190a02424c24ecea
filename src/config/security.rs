//! Headers by which browsers are told to be careful with answers.
//!
//! They hang on the listener, not on methods: a page that is not found, or a call that is refused
//! before its method is known, wants them as much. gRPC's own clients are no browsers and get none.
//!
//! | header                      | default                                        | where            |
//! |-----------------------------|------------------------------------------------|------------------|
//! | `strict-transport-security` | `max-age=31536000` (RFC 6797)                  | over TLS         |
//! | `x-content-type-options`    | `nosniff` (WHATWG Fetch §3.6)                  | everywhere       |
//! | `referrer-policy`           | `no-referrer`                                  | everywhere       |
//! | `x-frame-options`           | `DENY` (RFC 7034)                              | everywhere       |
//! | `content-security-policy`   | `default-src 'none'; frame-ancestors 'none'`   | JSON alone       |
//! | `server`                    | taken away                                     | everywhere       |
//!
//! What a backend says by these names stays, but for `server`.

use std::borrow::Cow;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, SERVER, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// Headers of answers by which browsers are told to be careful.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecurityHeaders {
    /// Over TLS: for how long browsers shall use no other; `max-age=31536000` by default.
    pub strict_transport_security: Line,
    /// Whether browsers may guess at types; `nosniff` by default.
    pub x_content_type_options: Line,
    /// What other sites hear of where a visitor comes from; `no-referrer` by default.
    pub referrer_policy: Line,
    /// Who may show answers in frames; `DENY` by default.
    pub x_frame_options: Line,
    /// What JSON may do if a browser shows it as a page; `default-src 'none'; frame-ancestors 'none'`
    /// by default.
    pub content_security_policy: Line,
    /// What answers say of the program; nothing by default, and backends' own `server` is removed.
    pub server: Line,
}

/// A header's value; `off` leaves it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line(Option<HeaderValue>);

impl Line {
    const fn of(value: &'static str) -> Self {
        Self(Some(HeaderValue::from_static(value)))
    }
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self {
            strict_transport_security: Line::of("max-age=31536000"),
            x_content_type_options: Line::of("nosniff"),
            referrer_policy: Line::of("no-referrer"),
            x_frame_options: Line::of("DENY"),
            content_security_policy: Line::of("default-src 'none'; frame-ancestors 'none'"),
            server: Line(None),
        }
    }
}

impl SecurityHeaders {
    /// Adds what an answer lacks.
    pub fn dress(&self, is_tls: bool, headers: &mut HeaderMap) {
        let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let is_grpc = content_type.starts_with(b"application/grpc")
            && !content_type.starts_with(b"application/grpc-web");
        if is_grpc {
            return;
        }
        let is_json = content_type.starts_with(b"application/json")
            || content_type.starts_with(b"application/problem+json");
        headers.remove(SERVER);
        let mut add = |holds: bool, name: HeaderName, line: &Line| {
            if let Some(value) = &line.0
                && holds
            {
                headers.entry(name).or_insert_with(|| value.clone());
            }
        };
        add(is_tls, STRICT_TRANSPORT_SECURITY, &self.strict_transport_security);
        add(true, X_CONTENT_TYPE_OPTIONS, &self.x_content_type_options);
        add(true, REFERRER_POLICY, &self.referrer_policy);
        add(true, X_FRAME_OPTIONS, &self.x_frame_options);
        add(is_json, CONTENT_SECURITY_POLICY, &self.content_security_policy);
        add(true, SERVER, &self.server);
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "off" {
            return Ok(Self(None));
        }
        let fits = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        match HeaderValue::try_from(&text) {
            Ok(value) if fits => Ok(Self(Some(value))),
            _ => Err(de::Error::custom(format!(
                "`{text}` can't stand in a header: write printable ASCII, or `off`"
            ))),
        }
    }
}

impl JsonSchema for Line {
    fn schema_name() -> Cow<'static, str> {
        "HeaderLine".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A header's value; `off` leaves it out.",
            "type": "string",
            "pattern": "^[ -~]+$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dressed(settings: &str, is_tls: bool, lines: &[(HeaderName, &str)]) -> Vec<String> {
        let settings: SecurityHeaders = serde_json::from_str(settings).unwrap();
        let lines = lines.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        let mut headers: HeaderMap = lines.collect();
        settings.dress(is_tls, &mut headers);
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        let mut all: Vec<_> = headers.iter().map(line).collect();
        all.sort();
        all
    }

    #[test]
    fn json_over_tls_gets_all_of_them() {
        let all = dressed("{}", true, &[(CONTENT_TYPE, "application/json"), (SERVER, "Tomcat")]);
        assert_eq!(
            all,
            [
                "content-security-policy: default-src 'none'; frame-ancestors 'none'",
                "content-type: application/json",
                "referrer-policy: no-referrer",
                "strict-transport-security: max-age=31536000",
                "x-content-type-options: nosniff",
                "x-frame-options: DENY",
            ]
        );
    }

    #[test]
    fn what_the_backend_says_stays_and_off_is_off() {
        let settings = r#"{ "server": "transom", "referrer_policy": "off" }"#;
        let own = [(CONTENT_TYPE, "text/html"), (X_FRAME_OPTIONS, "SAMEORIGIN")];
        let all = dressed(settings, false, &own);
        assert_eq!(
            all,
            [
                "content-type: text/html",
                "server: transom",
                "x-content-type-options: nosniff",
                "x-frame-options: SAMEORIGIN",
            ]
        );
    }

    #[test]
    fn grpc_stays_as_it_is_and_grpc_web_does_not() {
        let lines = |kind| dressed("{}", true, &[(CONTENT_TYPE, kind)]).len();
        assert_eq!((lines("application/grpc+proto"), lines("application/grpc-web+proto")), (1, 5));
    }

    #[test]
    fn values_that_can_t_stand_in_a_header_are_refused() {
        for bad in [r#"{ "server": "a\r\nb" }"#, r#"{ "server": "" }"#, r#"{ "hsts": "off" }"#] {
            assert!(serde_json::from_str::<SecurityHeaders>(bad).is_err(), "{bad}");
        }
    }
}
