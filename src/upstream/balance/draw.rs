//! A draw by weight in constant time, by the alias method, and slow start on top of it.
//!
//! (M. Vose: A Linear Algorithm for Generating Random Numbers with a Given Distribution, 1991.) An
//! endpoint that is new is refused by chance after it was drawn, and another one is drawn: so its
//! share grows with the time, and nothing has to be computed anew meanwhile.

use tokio::time::Instant;

use super::{Die, SlowStart};
use crate::upstream::pool::Member;

/// How many draws slow start may refuse before one is taken all the same.
const REFUSALS: usize = 32;

/// Draws a place by weight.
#[derive(Debug)]
pub(in super::super) struct Draw {
    /// For each place, the chance to stay there, of 2³², and where to go otherwise. Empty where all
    /// weights are alike.
    table: Box<[(u32, u32)]>,
    slow_start: Option<SlowStart>,
    /// When all are warm.
    warm: Option<Instant>,
}

impl Draw {
    /// A draw among these members, of which there is at least one.
    pub(in super::super) fn new(members: &[Member], slow_start: Option<SlowStart>) -> Self {
        let alike = members.windows(2).all(|pair| pair[0].weight == pair[1].weight);
        let table = if alike { Box::default() } else { alias_table(members) };
        let warm = slow_start.as_ref().and_then(|slow_start| {
            members.iter().map(|member| member.since() + slow_start.window).max()
        });
        Self { table, slow_start, warm }
    }

    /// One of the members, which are those that it was made for.
    pub(super) fn throw(&self, members: &[Member], die: &Die, now: Instant) -> usize {
        let mut drawn = self.draw(members.len(), die);
        if !self.is_warming(now) {
            return drawn;
        }
        for _ in 0..REFUSALS {
            if self.admits(&members[drawn], die, now) {
                break;
            }
            drawn = self.draw(members.len(), die);
        }
        drawn
    }

    /// Whether any member is still in its slow start.
    pub(super) fn is_warming(&self, now: Instant) -> bool {
        self.warm.is_some_and(|warm| now < warm)
    }

    /// Whether slow start lets this call pass to the member.
    pub(super) fn admits(&self, member: &Member, die: &Die, now: Instant) -> bool {
        let Some(slow_start) = &self.slow_start else { return true };
        let warmth = slow_start.warmth(now.saturating_duration_since(member.since()));
        warmth >= 1.0 || die.fraction() < warmth
    }

    fn draw(&self, places: usize, die: &Die) -> usize {
        if self.table.is_empty() {
            return die.below(places);
        }
        let thrown = die.throw();
        let place = (((thrown >> 32) * places as u64) >> 32) as usize;
        let (stay, alias) = self.table[place];
        if (thrown as u32) < stay { place } else { alias as usize }
    }
}

fn alias_table(members: &[Member]) -> Box<[(u32, u32)]> {
    let sum: f64 = members.iter().map(|member| f64::from(member.weight)).sum();
    let count = members.len() as f64;
    let mut chances: Vec<f64> =
        members.iter().map(|member| f64::from(member.weight) * count / sum).collect();
    let mut table: Vec<(u32, u32)> = (0..members.len()).map(|at| (u32::MAX, at as u32)).collect();
    let (mut small, mut large): (Vec<_>, Vec<_>) =
        (0..members.len()).partition(|at| chances[*at] < 1.0);
    while let (Some(poor), Some(rich)) = (small.pop(), large.last().copied()) {
        table[poor] = ((chances[poor] * f64::from(u32::MAX)) as u32, rich as u32);
        chances[rich] -= 1.0 - chances[poor];
        if chances[rich] < 1.0 {
            large.pop();
            small.push(rich);
        }
    }
    table.into()
}
