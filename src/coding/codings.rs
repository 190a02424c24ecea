//! Sets of codings, as headers list them.

use std::fmt;

use super::{Coding, weighed};

/// A set of codings. `identity`, which everybody takes, is in none.
///
/// ```
/// # use transom::coding::{Coding, Codings};
/// let codings = Codings::listed("identity, gzip,zstd;q=0.5, snappy");
/// assert!(codings.contains(Coding::Gzip) && !codings.contains(Coding::Deflate));
/// assert_eq!(codings.list(), "zstd,gzip");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Codings(u8);

impl Codings {
    /// No coding.
    pub const NONE: Self = Self(0);

    /// Every coding.
    pub const ALL: Self = Self(0b1111);

    /// The set of these bits, which [`Self::bits`] gave.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// The set as a number, to be kept where only numbers can be.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The known codings in a list such as `grpc-accept-encoding`'s, but for those whose weight says
    /// never.
    pub fn listed(list: &str) -> Self {
        let taken = weighed(list).filter(|(_, weight)| *weight > 0);
        let known = taken.filter_map(|(name, _)| Coding::from_name(name));
        Self(known.fold(0, |bits, coding| bits | bit(coding)))
    }

    /// Whether the coding is in the set.
    pub fn contains(self, coding: Coding) -> bool {
        self.0 & bit(coding) != 0
    }

    /// Whether the set has no coding.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in either set.
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names, those that we would rather have first.
    pub fn list(self) -> &'static str {
        LISTS[usize::from(self.0)]
    }
}

impl fmt::Debug for Codings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Codings({})", self.list())
    }
}

/// Every list that [`Codings::list`] gives, by the set's bits: made here, so that none is on a call.
const LISTS: [&str; 16] = [
    "",
    "zstd",
    "br",
    "zstd,br",
    "gzip",
    "zstd,gzip",
    "br,gzip",
    "zstd,br,gzip",
    "deflate",
    "zstd,deflate",
    "br,deflate",
    "zstd,br,deflate",
    "gzip,deflate",
    "zstd,gzip,deflate",
    "br,gzip,deflate",
    "zstd,br,gzip,deflate",
];

/// The coding's bit: its place in [`Coding::ALL`].
fn bit(coding: Coding) -> u8 {
    match coding {
        Coding::Zstd => 1,
        Coding::Brotli => 2,
        Coding::Gzip => 4,
        Coding::Deflate => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_say_what_the_bits_say() {
        for (bits, list) in LISTS.iter().enumerate() {
            let codings = Codings::from_bits(bits as u8);
            assert_eq!(Codings::listed(list), codings);
            assert_eq!(codings.list(), *list);
            let names = Coding::ALL.into_iter().filter(|coding| codings.contains(*coding));
            assert_eq!(names.map(Coding::name).collect::<Vec<_>>().join(","), *list);
        }
        assert_eq!(Codings::from_bits(0xff), Codings::ALL);
    }

    #[test]
    fn weight_of_zero_means_never() {
        assert_eq!(Codings::listed("gzip;q=0, deflate;q=0.1").list(), "deflate");
        assert_eq!(Codings::listed("identity").list(), "");
        assert!(Codings::listed("").is_empty());
    }
}
