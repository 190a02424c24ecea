//! Ring hash: calls of one key go to one endpoint, and an endpoint that leaves takes only its own
//! keys along (gRFC A42, Envoy's ring hash).
//!
//! Every endpoint stands on a ring of 2⁶⁴ places, more often the more it weighs; a call goes to the
//! first place at or behind the hash of its key. Without a key it goes by chance.

use super::{Balancer, Choice, Entry, Kind, key};
use crate::upstream::pool::Member;

pub(super) const ENTRY: Entry =
    Entry { kind: Kind::RingHash, build: |members, _| Box::new(RingHash { ring: ring(members) }) };

/// How many places an endpoint has for each unit of its weight. It must not depend on the others, or
/// keys would move when these change.
const PLACES: usize = 160;

/// The most places of a ring; sets of much weight have fewer for each unit.
const MOST: usize = 65_536;

struct RingHash {
    /// Hashes and members, ascending.
    ring: Box<[(u64, u32)]>,
}

fn ring(members: &[Member]) -> Box<[(u64, u32)]> {
    let weight = |member: &Member| member.weight as usize;
    let sum: usize = members.iter().map(weight).sum();
    let places = PLACES.min(MOST / sum.max(1)).max(1);
    let mut ring = Vec::with_capacity(places * sum);
    for (at, member) in members.iter().enumerate() {
        // By the name alone: where it stands must not depend on who else is there.
        let copies = places * weight(member);
        let name = key::hash(member.name().as_bytes());
        ring.extend((0..copies).map(|copy| (key::combine(name, copy as u64), at as u32)));
    }
    ring.sort_unstable();
    ring.into()
}

impl Balancer for RingHash {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        let Some(key) = choice.key else { return choice.drawn() };
        let at = self.ring.partition_point(|(hash, _)| *hash < key);
        // Behind the last place the ring begins anew.
        self.ring[at % self.ring.len()].1 as usize
    }
}
