//! How large the messages of a method may be: the policy's `max_…` keys.

use schemars::JsonSchema;
use serde::Deserialize;

use super::size::Size;
use crate::exchange;

/// The limits of a policy, as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The largest message from downstream; past it the answer is 413. `4 MiB` by default.
    #[schemars(with = "Option<Size>")]
    max_request_message: Option<Size>,
    /// The largest message from upstream; past it the call fails. `64 MiB` by default.
    #[schemars(with = "Option<Size>")]
    max_response_message: Option<Size>,
}

impl From<&Limits> for exchange::Limits {
    fn from(written: &Limits) -> Self {
        let default = Self::default();
        Self {
            request_message: written.max_request_message.map_or(default.request_message, |s| s.0),
            response_message: written
                .max_response_message
                .map_or(default.response_message, |s| s.0),
        }
    }
}
