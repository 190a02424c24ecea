//! What a policy's `cors` may say.

use std::{borrow::Cow, time::Duration};

use http::HeaderName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::Origin;
use crate::duration::optional_duration;

/// The CORS key of a policy.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What web pages of other origins may do; nothing if it is left out.
    pub cors: Option<Permission>,
}

/// What web pages of other origins may do.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Cors")]
pub struct Permission {
    /// The origins whose pages may call and read the answers; none by default.
    pub origins: Vec<Origin>,
    /// Request headers that pages may send beside those of the protocols, `authorization` for
    /// example; `*` for any.
    pub headers: Vec<Name>,
    /// Response headers that pages may read beside those of the protocols; `*` for any. Of one
    /// that is a trailer, Connect's form is meant too.
    pub expose: Vec<Name>,
    /// Whether pages may call with cookies and client certificates.
    pub credentials: bool,
    /// How long browsers may keep the answer to a preflight, `1h` for example; by default as long
    /// as they like, which is 5 s.
    #[serde(deserialize_with = "optional_duration")]
    #[schemars(with = "Option<String>")]
    pub max_age: Option<Duration>,
    /// What becomes of a call by a page of any other origin: `serve` answers it, and the browser
    /// keeps the answer from the page; `reject` answers 403 and calls nobody.
    pub other_origins: OtherOrigins,
}

/// What becomes of a call by a page of any other origin.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum OtherOrigins {
    /// It is answered; the browser keeps the answer from the page.
    #[default]
    Serve,
    /// 403.
    Reject,
}

/// The name of a header, or `*`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub enum Name {
    /// Every header.
    Any,
    /// This one.
    Of(HeaderName),
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "*" => Ok(Self::Any),
            name => HeaderName::try_from(name).map(Self::Of).map_err(|_| {
                format!("`{text}` is no name of a header; write `x-tenant` for example, or `*`")
            }),
        }
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "HeaderName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The name of a header, or `*` for any.",
            "type": "string",
            "examples": ["authorization", "*"],
        })
    }
}

impl Permission {
    /// What can't be meant together: the key where it stands, and a sentence.
    pub fn contradiction(&self) -> Option<(&'static str, String)> {
        let origin = match self.origins.iter().find(|one| !matches!(one, Origin::Of { .. }))? {
            Origin::Any => "`*`",
            // Every page can open a frame of no origin.
            _ => "`null`, which any page can have,",
        };
        self.credentials.then(|| {
            let message = format!(
                "with {origin} among the origins, every page could call with its reader's cookies; \
                 name the origins, or take `credentials` away"
            );
            ("credentials", message)
        })
    }
}
