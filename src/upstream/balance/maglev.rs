//! Maglev: as ring hash, but by a table (D. Eisenbud et al.: Maglev, 2016, §3.4): one look instead
//! of a search, and keys spread more evenly; when an endpoint leaves, a few keys of others move too.

use super::{Balancer, Choice, Entry, Kind, key};
use crate::upstream::pool::Member;

pub(super) const ENTRY: Entry =
    Entry { kind: Kind::Maglev, build: |members, _| Box::new(Maglev { table: table(members) }) };

/// How large the table is: a prime, as in Envoy's and the paper's.
const SIZE: u64 = 65_537;

struct Maglev {
    table: Box<[u32]>,
}

/// The order in which a member would take the table's places.
struct Wish {
    offset: u64,
    skip: u64,
    next: u64,
    /// How far it has come towards its next place; the heaviest takes one each round.
    share: f64,
}

impl Wish {
    fn of(member: &Member) -> Self {
        let name = key::hash(member.name().as_bytes());
        let (offset, skip) = (key::combine(name, 0) % SIZE, key::combine(name, 1) % (SIZE - 1) + 1);
        Self { offset, skip, next: 0, share: 0.0 }
    }

    fn take(&mut self) -> usize {
        let place = (self.offset + self.skip * self.next) % SIZE;
        self.next += 1;
        place as usize
    }
}

fn table(members: &[Member]) -> Box<[u32]> {
    const FREE: u32 = u32::MAX;
    // Members take turns by name, so that the order of the set decides nothing.
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|at| members[*at].name());
    let heaviest = members.iter().map(|member| member.weight).max().unwrap_or(1).max(1);
    let mut wishes: Vec<Wish> = members.iter().map(Wish::of).collect();
    let mut table = vec![FREE; SIZE as usize];
    let mut free = table.len();
    while free > 0 {
        for at in &order {
            let wish = &mut wishes[*at];
            wish.share += f64::from(members[*at].weight) / f64::from(heaviest);
            if wish.share < 1.0 || free == 0 {
                continue;
            }
            wish.share -= 1.0;
            let mut place = wish.take();
            while table[place] != FREE {
                place = wish.take();
            }
            table[place] = *at as u32;
            free -= 1;
        }
    }
    table.into()
}

impl Balancer for Maglev {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        let Some(key) = choice.key else { return choice.drawn() };
        self.table[(key % SIZE) as usize] as usize
    }
}
