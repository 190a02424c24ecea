//! `Accept-Encoding`: which codings a caller takes, and which it likes best (RFC 9110 §12.5.3).

use http::{HeaderMap, header::ACCEPT_ENCODING};

use crate::coding::{Coding, weighed};

/// What a caller takes, as weights in thousandths; 0 is not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::protocol::rest) struct Accepts {
    /// In the order of [`Coding::ALL`].
    codings: [u32; Coding::ALL.len()],
    /// Of the bytes as they are, where the caller says so.
    identity: Option<u32>,
}

impl Accepts {
    /// Reads the header. Without it anything may be sent, and the bytes as they are cost nobody
    /// anything.
    pub(in crate::protocol::rest) fn of(headers: &HeaderMap) -> Self {
        let mut accepts = Self::default();
        let mut named = [false; Coding::ALL.len()];
        let mut others = None;
        let lists = headers.get_all(ACCEPT_ENCODING).into_iter();
        let lists = lists.filter_map(|list| list.to_str().ok());
        for (name, weight) in lists.flat_map(weighed) {
            if let Some(coding) = Coding::from_name(name) {
                let place = place(coding);
                (accepts.codings[place], named[place]) = (weight, true);
            } else if name.eq_ignore_ascii_case("identity") {
                accepts.identity = Some(weight);
            } else if name == "*" {
                others = Some(weight);
            }
        }
        if let Some(weight) = others {
            let unnamed = accepts.codings.iter_mut().zip(named).filter(|(_, named)| !named);
            unnamed.for_each(|(coding, _)| *coding = weight);
            // What no caller names is still fine, unless everything else is refused.
            accepts.identity = accepts.identity.or((weight == 0).then_some(0));
        }
        accepts
    }

    /// The coding to send of those that may be used, the preferred first.
    pub(super) fn choose(&self, codings: &[Coding]) -> Option<Coding> {
        let mut best = None;
        for coding in codings {
            let weight = self.codings[place(*coding)];
            if weight > best.map_or(0, |(weight, _)| weight) {
                best = Some((weight, *coding));
            }
        }
        let (weight, coding) = best?;
        (self.identity.is_none_or(|identity| identity <= weight)).then_some(coding)
    }

    /// Whether the bytes as they are will do.
    pub(super) fn plain(&self) -> bool {
        self.identity != Some(0)
    }
}

fn place(coding: Coding) -> usize {
    Coding::ALL.iter().position(|one| *one == coding).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(value: &str) -> Accepts {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, value.parse().unwrap());
        Accepts::of(&headers)
    }

    #[test]
    fn weights_choose_and_the_policys_order_breaks_ties() {
        use Coding::{Brotli, Gzip, Zstd};
        for (value, coding, plain) in [
            ("", None, true),
            ("gzip", Some(Gzip), true),
            ("GZIP", Some(Gzip), true),
            ("x-gzip", Some(Gzip), true),
            ("gzip, br, zstd", Some(Zstd), true),
            ("gzip, deflate, br", Some(Brotli), true),
            ("gzip;q=1.0, br;q=0.9", Some(Gzip), true),
            ("gzip;q=0.5 , br; q=0.501", Some(Brotli), true),
            ("gzip;q=0", None, true),
            ("gzip;q=0, *", Some(Zstd), true),
            ("*;q=0.1, gzip", Some(Gzip), true),
            ("zstd;q=0, *;q=0.5", Some(Brotli), true),
            ("*", Some(Zstd), true),
            ("*;q=0", None, false),
            ("*;q=0, gzip", Some(Gzip), false),
            ("*;q=0, identity", None, true),
            ("identity", None, true),
            ("identity, gzip;q=0.5", None, true),
            ("identity;q=0.5, gzip;q=0.5", Some(Gzip), true),
            ("identity;q=0.5, gzip", Some(Gzip), true),
            ("identity;q=0", None, false),
            ("identity;q=0, gzip;q=0.1", Some(Gzip), false),
            ("deflate, compress, sdch", None, true),
            ("gzip;q=nonsense", None, true),
            ("gzip;level=9;q=0.4", Some(Gzip), true),
            (",,gzip,", Some(Gzip), true),
        ] {
            let accepts = accepts(value);
            assert_eq!(accepts.choose(&[Zstd, Brotli, Gzip]), coding, "{value}");
            assert_eq!(accepts.plain(), plain, "{value}");
        }
        assert_eq!(accepts("br, gzip").choose(&[Gzip, Brotli]), Some(Gzip));
        assert_eq!(accepts("br").choose(&[Gzip]), None);
        assert_eq!(accepts("br").choose(&[]), None);
        assert_eq!(Accepts::of(&HeaderMap::new()).choose(&[Gzip]), None);
    }

    #[test]
    fn lines_of_the_header_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT_ENCODING, "gzip;q=0.2".parse().unwrap());
        headers.append(ACCEPT_ENCODING, "br".parse().unwrap());
        assert_eq!(
            Accepts::of(&headers).choose(&[Coding::Gzip, Coding::Brotli]),
            Some(Coding::Brotli)
        );
    }
}
