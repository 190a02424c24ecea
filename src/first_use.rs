//! Values by place in a list, each made when it is asked for first.
//!
//! A schema may have tens of thousands of methods of which a day's traffic calls ten: what serving
//! needs of one is made then. Places stand in rows, and a row that nobody has asked of takes no more
//! than its turn in the list.

use std::sync::OnceLock;

/// How many places share a row.
const ROW: usize = 64;

/// So many values, none of which has been asked for yet.
#[derive(Debug)]
pub struct FirstUse<T> {
    rows: Box<[OnceLock<Row<T>>]>,
}

type Row<T> = Box<[OnceLock<T>]>;

impl<T> FirstUse<T> {
    /// Room for this many.
    pub fn of(count: usize) -> Self {
        Self { rows: (0..count.div_ceil(ROW)).map(|_| OnceLock::new()).collect() }
    }

    /// The value at a place, made by `make` if nobody has asked for it before.
    ///
    /// # Panics
    /// There is no such place.
    pub fn ask(&self, place: usize, make: impl FnOnce() -> T) -> &T {
        let row =
            self.rows[place / ROW].get_or_init(|| (0..ROW).map(|_| OnceLock::new()).collect());
        row[place % ROW].get_or_init(make)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_made_once_and_by_who_asks_first() {
        let values = FirstUse::of(130);
        for place in [0, 63, 64, 129] {
            assert_eq!(*values.ask(place, || place * 2), place * 2);
            assert_eq!(*values.ask(place, || unreachable!()), place * 2);
        }
    }
}
