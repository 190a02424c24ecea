//! Windows of flow control (RFC 9113 §5.2, §6.9): how much a peer may send, and how much we may.

use super::fault::Broken;

/// The largest that a window may become (§6.9.1).
const LARGEST: i64 = (1 << 31) - 1;

/// What a window is before anybody said otherwise (§6.9.2).
pub(super) const USUAL: u32 = (1 << 16) - 1;

/// How much the peer may still send.
#[derive(Debug)]
pub(super) struct Inward {
    left: i64,
    /// Taken by a reader, and the peer has not been told yet.
    taken: u32,
    /// It is told when so much was taken, for each time costs a frame.
    batch: u32,
}

impl Inward {
    pub(super) fn new(size: u32, batch: u32) -> Self {
        Self { left: i64::from(size), taken: 0, batch }
    }

    /// Counts what came; fails if that was not allowed.
    pub(super) fn receive(&mut self, count: usize) -> Result<(), Broken> {
        self.left -= count as i64;
        if self.left < 0 { Err(Broken::flow("more DATA than its window allows")) } else { Ok(()) }
    }

    /// Counts what a reader took; gives what the peer is to be told now.
    pub(super) fn give_back(&mut self, count: usize) -> Option<u32> {
        // No more is ever given back than was received, which the window bounds.
        self.taken += count as u32;
        if self.taken < self.batch {
            return None;
        }
        self.left += i64::from(self.taken);
        Some(std::mem::take(&mut self.taken))
    }
}

/// How much we may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outward(i64);

impl Outward {
    pub(super) fn new(size: u32) -> Self {
        Self(i64::from(size))
    }

    /// How many octets may leave.
    pub(super) fn room(self) -> usize {
        self.0.max(0) as usize
    }

    pub(super) fn send(&mut self, count: usize) {
        self.0 -= count as i64;
    }

    /// The peer gives some more (§6.9).
    pub(super) fn widen(&mut self, increment: u32) -> Result<(), Broken> {
        if increment == 0 {
            return Err(Broken::protocol("a WINDOW_UPDATE of nothing"));
        }
        self.shift(i64::from(increment))
    }

    /// The peer's initial window changed by so much, which may leave less than nothing (§6.9.2).
    pub(super) fn shift(&mut self, change: i64) -> Result<(), Broken> {
        self.0 += change;
        if self.0 > LARGEST {
            return Err(Broken::flow("a window larger than 2^31-1 octets"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_may_send_what_its_window_allows_and_no_more() {
        let mut window = Inward::new(100, 50);
        window.receive(60).unwrap();
        window.receive(40).unwrap();
        assert_eq!(window.give_back(49), None);
        assert_eq!(window.give_back(1), Some(50));
        window.receive(50).unwrap();
        assert!(window.receive(1).is_err());
    }

    #[test]
    fn our_window_may_fall_below_nothing_and_rise_to_the_largest() {
        let mut window = Outward::new(USUAL);
        window.send(65_000);
        window.shift(-10_000).unwrap();
        assert_eq!(window.room(), 0);
        window.widen(9_466).unwrap();
        assert_eq!(window.room(), 1);
        window.widen((1 << 31) - 2).unwrap();
        assert_eq!(window.room(), (1 << 31) - 1);
        assert!(window.widen(1).is_err());
        assert!(Outward::new(0).widen(0).is_err());
    }
}
