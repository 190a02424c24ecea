//! By what a limit tells callers apart: one thing or several, looked up in a call.
//!
//! ```text
//! [address, header: x-tenant]   Asker ──► digest 0x8d…   (a number of this process)
//!                                     └─► [("address", "192.0.2.1"), ("header.x-tenant", "a")]
//! ```
//!
//! Callers that lack what a key asks for share one bucket: leaving something out is no way around a
//! limit. The digest is keyed anew by each process, so that nobody can look for two callers that
//! share a number.

use std::{
    borrow::Cow,
    hash::{BuildHasher, Hasher, RandomState},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, LazyLock},
};

use http::HeaderName;
use serde_json::Value;

use super::settings;
use crate::{
    exchange::{Approach, Exchange, Metadata, Principal, PrincipalKind},
    schema::Method,
    stage::{Finding, wrong_field},
    transcode::field::{Field, Found, Kind, Label},
};

/// What digests are keyed with.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Who asks, as far as keys look at it.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// The verified caller, if `auth` has found one.
    pub principal: Option<&'a Principal>,
    /// The caller's address, behind trusted proxies.
    pub address: Option<IpAddr>,
    /// The call's metadata.
    pub metadata: &'a Metadata,
    /// The call's first message, where a key looks at it and there is one.
    pub message: Option<&'a [u8]>,
    /// The worker that serves the call.
    pub worker: usize,
}

impl<'a> Asker<'a> {
    /// Who asks with this call, whose first message this is.
    pub(super) fn of(exchange: &'a Exchange, message: Option<&'a [u8]>) -> Self {
        let approach = exchange.extensions.get::<Arc<Approach>>();
        Self {
            principal: exchange.extensions.get::<Arc<Principal>>().map(|principal| &**principal),
            address: approach.and_then(|approach| approach.client),
            metadata: &exchange.metadata,
            message,
            worker: exchange.worker,
        }
    }

    /// The name of the caller's plan.
    pub(super) fn plan(&self) -> Option<&'a str> {
        self.principal?.claim("plan")?.as_str()
    }
}

/// By what a limit tells callers apart.
#[derive(Debug)]
pub struct Key(Box<[Part]>);

#[derive(Debug)]
enum Part {
    Network { v4: u8, v6: u8 },
    Principal,
    ApiKey,
    Plan,
    Claim(String),
    Header(HeaderName),
    Field { path: String, field: Field },
}

impl Key {
    /// Reads what is written for a method; the path of a finding starts at the key.
    pub(super) fn compile(written: &[settings::Part], method: &Method) -> Result<Self, Finding> {
        let mut parts = Vec::new();
        for (index, part) in written.iter().enumerate() {
            let part = Part::compile(part, method).map_err(|problem| {
                // One part may stand without a list.
                let place = if written.len() == 1 { String::new() } else { format!("[{index}]") };
                (place, problem)
            })?;
            parts.push(part);
        }
        Ok(Self(parts.into()))
    }

    /// Whether it needs a verified caller.
    pub fn needs_caller(&self) -> bool {
        let needs = |part: &Part| {
            matches!(part, Part::Principal | Part::ApiKey | Part::Plan | Part::Claim(_))
        };
        self.0.iter().any(needs)
    }

    /// Whether it looks at the call's first message.
    pub(super) fn needs_message(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Field { .. }))
    }

    /// Whether it looks at the caller's address.
    pub(super) fn needs_address(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Network { .. }))
    }

    /// A number for the caller, never 0, which means nothing outside of this process.
    pub fn digest(&self, asker: &Asker<'_>) -> u64 {
        let mut hasher = SEED.build_hasher();
        for part in &self.0 {
            part.hash(asker, &mut hasher);
        }
        hasher.finish().max(1)
    }

    /// What the caller is told apart by, as texts: the name of a part (`address`, `header.x-tenant`)
    /// and what it is for this caller, `None` where the caller lacks it.
    pub fn parts<'a>(
        &'a self,
        asker: &'a Asker<'a>,
    ) -> impl Iterator<Item = (Cow<'static, str>, Option<Cow<'a, str>>)> {
        self.0.iter().map(|part| (part.name(), part.text(asker)))
    }
}

impl Part {
    fn compile(written: &settings::Part, method: &Method) -> Result<Self, String> {
        Ok(match written {
            settings::Part::Address => Self::Network { v4: 32, v6: 64 },
            settings::Part::Network(settings::Network { v4, v6 }) if *v4 > 32 || *v6 > 128 => {
                return Err("an address of IPv4 has 32 bits, one of IPv6 has 128".into());
            }
            settings::Part::Network(settings::Network { v4, v6 }) => {
                Self::Network { v4: *v4, v6: *v6 }
            }
            settings::Part::Principal => Self::Principal,
            settings::Part::ApiKey => Self::ApiKey,
            settings::Part::Plan => Self::Plan,
            settings::Part::Claim(path) => Self::Claim(path.clone()),
            settings::Part::Header(name) => {
                let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes());
                Self::Header(name.map_err(|_| "write a header's name, such as `x-tenant`")?)
            }
            settings::Part::Field(path) => {
                let first = path.split('.').next().unwrap_or_default();
                let field = Field::compile(&method.input, path)
                    .map_err(|error| wrong_field(method, first, &error.to_string()))?;
                if field.label() != Label::One || matches!(field.kind(), Kind::Message(_)) {
                    return Err(format!("`{path}` is no single value; write the path of one"));
                }
                Self::Field { path: path.clone(), field }
            }
        })
    }

    fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Network { .. } => "address".into(),
            Self::Principal => "principal".into(),
            Self::ApiKey => "api_key".into(),
            Self::Plan => "plan".into(),
            Self::Claim(path) => format!("claim.{path}").into(),
            Self::Header(name) => format!("header.{name}").into(),
            Self::Field { path, .. } => format!("field.{path}").into(),
        }
    }

    /// A text's length goes in too, so that no two lists of texts are the same bytes.
    fn hash(&self, asker: &Asker<'_>, hasher: &mut impl Hasher) {
        let mut text = |text: Option<&str>| match text {
            Some(text) => {
                hasher.write_usize(text.len());
                hasher.write(text.as_bytes());
            }
            None => hasher.write_usize(usize::MAX),
        };
        match self {
            Self::Network { v4, v6 } => match asker.address.map(|one| network(one, *v4, *v6)) {
                Some(IpAddr::V4(address)) => hasher.write_u32(address.to_bits()),
                Some(IpAddr::V6(address)) => hasher.write_u128(address.to_bits()),
                None => hasher.write_u8(0),
            },
            Self::Principal => {
                text(asker.principal.map(|principal| &*principal.issuer));
                text(asker.principal.map(|principal| &*principal.id));
            }
            Self::Header(name) => {
                let values = asker.metadata.get_all(name).into_iter();
                values.for_each(|value| {
                    hasher.write_usize(value.len());
                    hasher.write(value.as_bytes());
                });
                hasher.write_usize(usize::MAX);
            }
            Self::Field { field, .. } => match read(field, asker) {
                Some(value) => {
                    hasher.write_usize(value.len());
                    hasher.write(&value);
                }
                None => hasher.write_usize(usize::MAX),
            },
            Self::ApiKey | Self::Plan | Self::Claim(_) => match self.claim(asker) {
                Some(Value::String(one)) => text(Some(one)),
                // Rarely: most claims to count by are texts.
                Some(other) => text(Some(&other.to_string())),
                None => text(None),
            },
        }
    }

    fn claim<'a>(&self, asker: &Asker<'a>) -> Option<&'a Value> {
        let principal = asker.principal?;
        match self {
            Self::ApiKey if principal.kind != PrincipalKind::ApiKey => None,
            Self::ApiKey => principal.claims.get("key"),
            Self::Plan => principal.claim("plan"),
            Self::Claim(path) => principal.claim(path),
            _ => None,
        }
    }

    fn text<'a>(&'a self, asker: &Asker<'a>) -> Option<Cow<'a, str>> {
        match self {
            Self::Network { v4, v6 } => Some(network(asker.address?, *v4, *v6).to_string().into()),
            Self::Principal => {
                asker.principal.map(|one| format!("{} {}", one.issuer, one.id).into())
            }
            Self::Header(name) => {
                let values = asker.metadata.get_all(name).into_iter();
                let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()));
                values.reduce(|one, other| format!("{one}, {other}").into())
            }
            Self::Field { field, .. } => {
                let value = read(field, asker)?;
                let escaped = || value.escape_ascii().to_string();
                Some(str::from_utf8(&value).map_or_else(|_| escaped(), str::to_owned).into())
            }
            Self::ApiKey | Self::Plan | Self::Claim(_) => Some(match self.claim(asker)? {
                Value::String(one) => Cow::Borrowed(one),
                other => other.to_string().into(),
            }),
        }
    }
}

/// The value of a field in the call's first message. A message that can't be read has none: the
/// backend won't be able to read it either.
fn read<'a>(field: &'a Field, asker: &Asker<'a>) -> Option<Cow<'a, [u8]>> {
    match field.read(asker.message?, 0) {
        Ok(Found::One(value)) => Some(value.as_key().into_owned().into()),
        Ok(Found::Absent) if !field.has_presence() => {
            field.default().map(|value| value.as_key().into_owned().into())
        }
        _ => None,
    }
}

/// The network of an address: all its bits but the first few are 0.
fn network(address: IpAddr, v4: u8, v6: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(v4)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(v6)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}
