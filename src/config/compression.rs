//! How answers are compressed: the policy's `compression` key.

use schemars::JsonSchema;
use serde::Deserialize;

use super::size::Size;
use crate::{coding::Coding, protocol::rest};

/// The key, as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// How REST answers are compressed for callers that accept it; not at all if it is left out.
    pub(super) compression: Option<Compression>,
}

/// How answers are compressed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Compression {
    /// The codings that may be used, the preferred first; `[zstd, br, gzip]` by default.
    codings: Option<Vec<Name>>,
    /// A body that is known to be smaller goes as it is; `1 KiB` by default.
    #[schemars(with = "Option<Size>")]
    min_size: Option<Size>,
}

/// A content coding.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Coding")]
enum Name {
    Zstd,
    Br,
    Gzip,
    Deflate,
}

impl From<Name> for Coding {
    fn from(name: Name) -> Self {
        match name {
            Name::Zstd => Self::Zstd,
            Name::Br => Self::Brotli,
            Name::Gzip => Self::Gzip,
            Name::Deflate => Self::Deflate,
        }
    }
}

impl From<&Compression> for rest::Compression {
    fn from(written: &Compression) -> Self {
        let default = Self::default();
        let codings = written.codings.as_ref();
        Self {
            codings: codings.map_or(default.codings, |names| {
                names.iter().map(|name| Coding::from(*name)).collect()
            }),
            min_size: written.min_size.map_or(default.min_size, |size| size.0),
        }
    }
}
