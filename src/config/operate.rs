//! What the configuration says about operating the gateway: the operator's port, and reloading.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Address, File, Places};
use crate::problem::Problem;

/// The operator's port.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Where it listens. Whoever reaches it can see the configuration, reload it and end the
    /// program, so it should be a loopback address or a Unix socket.
    pub address: Address,
}

/// How a configuration that has changed is taken while the gateway serves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reload {
    /// Whether files that change are taken by themselves, `true` by default; otherwise they are read
    /// when SIGHUP or the operator's port says so, which suits those who change several at a time.
    pub watch: bool,
    /// What becomes of a schema with changes that break callers (a route or method gone, a field
    /// renumbered, retyped or renamed): `warn` takes it and tells of them, `refuse` serves on with
    /// the one before; `warn` by default.
    pub on_breaking: OnBreaking,
}

impl Default for Reload {
    fn default() -> Self {
        Self { watch: true, on_breaking: OnBreaking::default() }
    }
}

/// What becomes of a schema with changes that break callers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBreaking {
    /// It is taken, and the changes are told.
    #[default]
    Warn,
    /// The schema before serves on.
    Refuse,
}

/// Tells what is wrong with the operator's port, or risky.
pub(super) fn check(file: &File, places: &Places, problems: &mut Vec<Problem>) {
    let Some(admin) = &file.admin else { return };
    let open = admin.address.ip().filter(|address| !address.ip().is_loopback());
    if let Some(address) = open {
        let message =
            format!("`{address}` can be reached by others, who can see and end the gateway");
        let mend = format!("listen at `127.0.0.1:{}`, or keep others away", address.port());
        let problem = Problem::warning("admin.address", message).mend(mend);
        problems.push(places.settle(problem));
    }
    let any_port = admin.address.ip().is_some_and(|address| address.port() == 0);
    if !any_port && file.listeners().iter().any(|listen| listen.address == admin.address) {
        let message = format!("a listener has the address `{}` already", admin.address);
        let problem = Problem::error("admin.address", message).mend("choose another port");
        problems.push(places.settle(problem));
    }
}
