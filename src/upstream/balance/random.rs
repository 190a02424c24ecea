//! Random: each call by chance, by weight. It knows nothing, so nothing misleads it.

use super::{Balancer, Choice, Entry, Kind};

pub(super) const ENTRY: Entry = Entry { kind: Kind::Random, build: |_, _| Box::new(Random) };

struct Random;

impl Balancer for Random {
    fn pick(&self, choice: &Choice<'_>) -> usize {
        choice.drawn()
    }
}
