//! What the configuration says about the TLS of a listener.

use std::{borrow::Cow, path::PathBuf, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::duration::duration;

/// The TLS of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ListenTls")]
pub struct Settings {
    /// What is shown to clients. The one that names the host that a client asks for (SNI) is
    /// chosen, an exact name before `*.example.com`; where none does, or the client names no host,
    /// the first. The files are read again when they change.
    pub certificates: Vec<CertificateFiles>,
    /// A PEM file with the authorities that sign client certificates. With it clients are asked
    /// for one.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// Whether a client must have a certificate; `required` by default where `client_ca` stands.
    /// One that is shown is verified in either case.
    #[serde(default)]
    pub client_certificate: Option<ClientCertificate>,
    /// The oldest version of TLS that is spoken; `1.2` by default.
    #[serde(default)]
    pub min_version: Version,
    /// How long a handshake may take; `10s` by default.
    #[serde(default = "handshake_timeout", deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub handshake_timeout: Duration,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// A PEM file with the certificate, followed by those that lead to its authority.
    pub certificate: PathBuf,
    /// The PEM file with its private key, unencrypted.
    pub key: PathBuf,
}

/// Whether a client must have a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificate {
    /// Without one the handshake fails.
    Required,
    /// It may go without.
    Optional,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

fn handshake_timeout() -> Duration {
    Duration::from_secs(10)
}

impl Settings {
    /// Every file that it names.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let pairs = self.certificates.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
        pairs.chain(&self.client_ca)
    }

    /// The same, to be changed.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let pairs = self.certificates.iter_mut();
        let pairs = pairs.flat_map(|pair| [&mut pair.certificate, &mut pair.key]);
        pairs.chain(&mut self.client_ca)
    }
}

impl<'de> Deserialize<'de> for Version {
    /// Quoted or not: bare, YAML takes it for a number.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        match text.as_str() {
            "1.2" => Ok(Self::Tls12),
            "1.3" => Ok(Self::Tls13),
            _ => Err(D::Error::custom(format!(
                "`{text}` is no version of TLS that is spoken; write `1.2` or `1.3`"
            ))),
        }
    }
}

impl JsonSchema for Version {
    fn schema_name() -> Cow<'static, str> {
        "TlsVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A version of TLS.",
            "enum": ["1.2", "1.3", 1.2, 1.3],
        })
    }
}
