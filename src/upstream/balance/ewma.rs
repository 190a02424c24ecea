//! Peak EWMA: of two that are drawn by chance, the one where a call is likely to be over sooner,
//! judged by the peak-sensitive average of latencies and the calls in flight (Finagle's and
//! Linkerd's balancing).

use tokio::time::Instant;

use super::{Balancer, Choice, Entry, Kind};
use crate::upstream::pool::Member;

pub(super) const ENTRY: Entry = Entry { kind: Kind::Ewma, build: |_, _| Box::new(Ewma) };

/// What an endpoint costs, in microseconds, that has a call in flight and has answered none: it is
/// tried with one call at a time.
const UNTRIED: f32 = 60e6;

struct Ewma;

impl Balancer for Ewma {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        if choice.members.len() == 1 {
            return 0;
        }
        choice.cheaper_of_two(|member| cost(member, choice.now))
    }
}

fn cost(member: &Member, now: Instant) -> f32 {
    let standing = member.standing();
    let busy = standing.in_flight() as f32;
    match standing.latency().average(now) {
        Some(average) => average * (busy / member.weight as f32 + 1.0),
        None if busy == 0.0 => 0.0,
        None => UNTRIED + busy,
    }
}
