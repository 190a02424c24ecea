//! The bad day, fault by fault: a steady load on a gateway, something that goes wrong under it, and
//! what that cost the callers.
//!
//! No call fails that may be repeated, whatever the fault. Each case leaves its line in a table
//! (fault, calls, failed, p50, p99), which is printed with `--nocapture` and stands in `bad-day.md`
//! of cargo's folder for tests (`target/tmp`) afterwards. Times are shown there and asserted
//! nowhere: they are those of the machine.

mod discovery;
mod files;
mod goaway;
pub(crate) mod load;
mod namespace;
mod process;
mod silent;
mod slow;
pub(crate) mod table;
mod tls;
mod trouble;
mod vanished;

use std::net::SocketAddr;

use self::load::{Door, Load};
use super::site::Site;

/// How many callers there are, each with one call at a time.
const LANES: usize = 8;

/// Calls of a phase: before the fault, while it lasts, after it.
const CALLS: usize = 400;

/// What most cases are configured with: attempts that are made soon after each other.
const RETRY: &str = "retry: { attempts: 4, backoff: { initial: 5ms, max: 50ms } }";

/// Has calls made while the day goes its way, notes what they came to, and allows none to fail.
async fn survive<T>(fault: &'static str, door: &Door, day: impl AsyncFnOnce(&Load) -> T) -> T {
    let (figures, outcome) = load::run(door, LANES, day).await;
    table::note(fault, &figures);
    figures.none_failed(fault);
    outcome
}

/// The same before a site, for a day on which nothing more happens: the fault is there.
async fn endure(fault: &'static str, site: &Site) {
    survive(fault, &site.door(), async |load| load.calls(2 * CALLS).await).await;
}

/// The addresses with another in their middle.
fn among(one: SocketAddr, others: [SocketAddr; 2]) -> [SocketAddr; 3] {
    [others[0], one, others[1]]
}
