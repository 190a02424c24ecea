//! What a policy's `authorize` may say.

use std::{collections::BTreeMap, fmt};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// What a caller needs, of whom `auth` has said who it is. All of it has to hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Authorize")]
pub struct Settings {
    /// Scopes that are all needed.
    pub scopes: Vec<String>,
    /// Scopes of which one is enough.
    pub any_scope: Vec<String>,
    /// Claims and what they have to be: a value, or a list of those that will do. A claim that is a
    /// list has to hold one of them. A path has dots: `realm_access.roles`.
    pub claims: BTreeMap<String, Wanted>,
    /// Networks and addresses that calls have to come from; any by default. Trusted proxies are
    /// looked behind.
    #[schemars(with = "Vec<String>")]
    pub allow_addresses: Vec<Network>,
    /// Networks and addresses that calls must not come from, whatever is allowed.
    #[schemars(with = "Vec<String>")]
    pub deny_addresses: Vec<Network>,
    /// Conditions in CEL, which all have to hold: over `principal`, `method`, `metadata`, `address`
    /// and the fields of `request`. Of a stream they have to hold for each message.
    pub when: Vec<When>,
    /// Whether nobody may call: `"*": { authorize: { deny_all: true } }` denies what no other
    /// selector allows with `deny_all: false`. `false` by default.
    pub deny_all: bool,
}

/// A condition on calls.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AuthorizeCondition")]
pub struct When {
    /// Its name in the log; its place in the list by default.
    pub name: Option<String>,
    /// The expression in CEL, `request.shelf == principal.claims.shelf` for example.
    pub expression: String,
    /// What the log says where it doesn't hold.
    pub message: Option<String>,
}

/// What a claim has to be.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "AuthorizeClaim")]
pub struct Wanted(
    /// A value, or a list of values.
    pub Value,
);

/// A network, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(pub IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
        let network = text.parse::<IpNet>().or_else(|_| address());
        network.map(Self).map_err(|_| {
            let mend = "write one such as `10.0.0.0/8`, or an IP address";
            de::Error::custom(format!("`{text}` is no network; {mend}"))
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
