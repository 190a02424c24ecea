//! Request ids: one word by which all logs on a request's way can be joined.
//!
//! A caller's `x-request-id` is kept if it is fit for a log line; otherwise an id is made: 128
//! random bits in hexadecimal. It has to be unique, not secret, so a pair of counters that start
//! at random and are mixed by splitmix64 (Steele, Lea and Flood, 2014) does, without a system
//! call or a lock.

use std::{
    cell::Cell,
    hash::{BuildHasher, Hasher, RandomState},
};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries the id, both ways.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a caller, in bytes.
pub const MAX_LENGTH: usize = 128;

/// The caller's id if it brought a sane one, else a new one. The value is always ASCII.
pub fn take_or_make(headers: &HeaderMap) -> HeaderValue {
    match headers.get(&HEADER) {
        Some(id) if is_sane(id.as_bytes()) => id.clone(),
        _ => make(),
    }
}

/// Whether a caller's id can stand in a log and in a header as it is.
fn is_sane(id: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@~".contains(byte);
    (1..=MAX_LENGTH).contains(&id.len()) && id.iter().all(fits)
}

thread_local! {
    /// The two counters of this thread.
    static COUNTERS: Cell<[u64; 2]> = Cell::new([random(), random()]);
}

/// A random number to begin with: `RandomState` takes its keys from the system.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A new id: 32 hexadecimal digits.
fn make() -> HeaderValue {
    let [high, low] = COUNTERS.get();
    // Two odd steps, so that the two counters don't march together.
    let next = [high.wrapping_add(0x9e37_79b9_7f4a_7c15), low.wrapping_add(0xd1b5_4a32_d192_ed03)];
    COUNTERS.set(next);
    let bits = (u128::from(mix(next[0])) << 64) | u128::from(mix(next[1]));
    let mut digits = [0; 32];
    for (place, digit) in digits.iter_mut().enumerate() {
        let value = (bits >> (124 - 4 * place)) & 0xf;
        *digit = b"0123456789abcdef"[value as usize];
    }
    HeaderValue::from_bytes(&digits).unwrap_or(HeaderValue::from_static("unknown"))
}

/// splitmix64's output function.
fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, thread};

    use super::*;

    fn given(id: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(HEADER, HeaderValue::from_bytes(id).unwrap())])
    }

    #[test]
    fn sane_id_of_the_caller_is_kept() {
        for id in ["a", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "svc/7:A_b.c+d=", &"x".repeat(128)]
        {
            assert_eq!(take_or_make(&given(id.as_bytes())), id);
        }
    }

    #[test]
    fn unfit_id_of_the_caller_is_replaced() {
        let long = "x".repeat(129);
        for id in [&b""[..], b"two words", b"quo\"te", b"a\tb", b"\xc3\xa9", long.as_bytes()] {
            let made = take_or_make(&given(id));
            assert_ne!(made.as_bytes(), id);
            assert!(is_sane(made.as_bytes()));
        }
    }

    #[test]
    fn made_ids_are_unique_over_threads() {
        let make_many = || (0..10_000).map(|_| make()).collect::<Vec<_>>();
        let threads = [thread::spawn(make_many), thread::spawn(make_many)];
        let mut seen = HashSet::new();
        for id in threads.into_iter().flat_map(|thread| thread.join().unwrap()) {
            assert_eq!(id.len(), 32);
            assert!(seen.insert(id), "an id was made twice");
        }
    }
}
