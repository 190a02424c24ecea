//! A fixed set of names, each with a number: fields by name and enum values by name.
//!
//! Built once from the schema and asked for each JSON key, so it hashes three words of the name
//! (length, first eight bytes, last eight) and always compares the whole.

use super::steps::count_steps;

/// Names with a `u32` each.
#[derive(Debug, Default)]
pub(super) struct Names {
    entries: Box<[(Box<str>, u32)]>,
    /// Position in `entries` plus one; zero is free. A power of two, at most half full.
    slots: Box<[u32]>,
    /// Hashes all bytes: the three words were too alike.
    thorough: bool,
}

/// How many slots a look-up may pass before the three words count as too alike.
const LONGEST_PROBE: usize = 8;

impl Names {
    /// The first of two entries with one name wins.
    pub(super) fn new(entries: impl IntoIterator<Item = (Box<str>, u32)>) -> Self {
        let mut seen = std::collections::HashSet::new();
        let entries: Box<[_]> =
            entries.into_iter().filter(|(name, _)| seen.insert(name.clone())).collect();
        let mut names = Self { entries, slots: Box::default(), thorough: false };
        if names.fill() > LONGEST_PROBE {
            names.thorough = true;
            names.fill();
        }
        names
    }

    fn fill(&mut self) -> usize {
        let size = (self.entries.len() * 2).next_power_of_two();
        self.slots = vec![0; size].into();
        let mut longest = 0;
        for (index, (name, _)) in self.entries.iter().enumerate() {
            let mut slot = self.hash(name.as_bytes()) as usize & (size - 1);
            let mut probe = 1;
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (size - 1);
                probe += 1;
            }
            self.slots[slot] = index as u32 + 1;
            longest = longest.max(probe);
        }
        longest
    }

    /// The number of a name.
    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = self.hash(name) as usize & mask;
        loop {
            count_steps(1);
            let index = self.slots[slot].checked_sub(1)?;
            let (candidate, value) = &self.entries[index as usize];
            if candidate.as_bytes() == name {
                return Some(*value);
            }
            slot = (slot + 1) & mask;
        }
    }

    #[inline]
    fn hash(&self, name: &[u8]) -> u64 {
        if self.thorough {
            count_steps(name.len());
            return name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
            });
        }
        let (first, last) = ends(name);
        let mixed = (first ^ last.rotate_left(29) ^ (name.len() as u64) << 56)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    }
}

/// The first and the last eight bytes, which overlap or repeat in short names.
#[inline(always)]
fn ends(name: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into())
    } else {
        let byte = |index: usize| u64::from(name.get(index).copied().unwrap_or(0));
        (byte(0) | byte(1) << 8, byte(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_lengths_are_found_and_others_are_not() {
        let all: Vec<Box<str>> = (0..60).map(|n| "ab".repeat(n)[n / 2..].into()).collect();
        let names = Names::new(all.iter().cloned().zip(0..));
        for name in &all {
            let found = names.find(name.as_bytes()).unwrap();
            assert_eq!(all[found as usize], *name);
        }
        assert_eq!(names.find(b"abc"), None);
        assert_eq!(Names::default().find(b""), None);
    }

    #[test]
    fn names_alike_at_both_ends_are_found_without_long_probes() {
        let all: Vec<Box<str>> = (10_000..10_500)
            .map(|n| format!("a_long_beginning_{n}_and_the_same_end").into())
            .collect();
        let names = Names::new(all.iter().cloned().zip(0..));
        assert!(names.thorough);
        for (index, name) in all.iter().enumerate() {
            assert_eq!(names.find(name.as_bytes()), Some(index as u32));
        }
    }
}
