//! Several upstreams that answer the same methods: versions by a header, canaries by weight.
//!
//! ```text
//! exchange ── match (header) ──► upstream b
//!         └── split (weight, or the hash of a header) ──► upstream a | upstream c
//! ```
//!
//! It stands in the cluster's place behind the stages; where a policy names one upstream there is
//! none of it.

mod settings;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};

pub use self::settings::{Among, Destination, Match, Share};
use super::balance::{Dice, hash};
use crate::{
    error::Error,
    exchange::{Exchange, Reply, Upstream},
};

/// One of several upstreams, chosen call by call.
pub struct Split {
    matches: Box<[Wanted]>,
    /// With each, the sum of the weights up to it; the last is the sum of all.
    shares: Box<[(usize, Arc<dyn Upstream>)]>,
    sticky: Option<HeaderName>,
    dice: Dice,
}

/// A header, its value if only that one fits, and who answers then.
type Wanted = (HeaderName, Option<HeaderValue>, Arc<dyn Upstream>);

impl Split {
    /// Puts the upstreams together that the settings name; none if one of them is not there.
    pub fn new(
        settings: &Among,
        workers: usize,
        upstream: impl Fn(&str) -> Option<Arc<dyn Upstream>>,
    ) -> Option<Self> {
        Self::with_dice(settings, Dice::new(workers), upstream)
    }

    fn with_dice(
        settings: &Among,
        dice: Dice,
        upstream: impl Fn(&str) -> Option<Arc<dyn Upstream>>,
    ) -> Option<Self> {
        let matches = settings.matches.iter().map(|one| {
            let header = HeaderName::try_from(&one.header).ok()?;
            let value = one.value.as_ref().map(HeaderValue::try_from).transpose().ok()?;
            Some((header, value, upstream(&one.upstream)?))
        });
        let default = settings.default.iter().map(|name| (name, 1));
        let shares = settings.split.iter().map(|share| (&share.upstream, share.weight as usize));
        let mut sum = 0;
        let shares = default.chain(shares).map(|(name, weight)| {
            sum += weight;
            Some((sum, upstream(name)?))
        });
        Some(Self {
            matches: matches.collect::<Option<_>>()?,
            shares: shares.collect::<Option<_>>()?,
            sticky: settings.sticky.as_ref().and_then(|name| name.try_into().ok()),
            dice,
        })
    }

    fn choose(&self, headers: &HeaderMap, worker: usize) -> Option<&Arc<dyn Upstream>> {
        let fits = |name: &HeaderName, value: &Option<HeaderValue>| match value {
            None => headers.contains_key(name),
            Some(value) => headers.get_all(name).iter().any(|given| given == value),
        };
        let asked_for = self.matches.iter().find(|(name, value, _)| fits(name, value));
        if let Some((.., upstream)) = asked_for {
            return Some(upstream);
        }
        let (sum, last) = self.shares.last()?;
        if self.shares.len() == 1 || *sum == 0 {
            return Some(last);
        }
        let key = self.sticky.as_ref().and_then(|name| headers.get(name));
        let drawn = match key {
            Some(key) => (hash(key.as_bytes()) % *sum as u64) as usize,
            None => self.dice.of(worker).below(*sum),
        };
        let place = self.shares.partition_point(|(until, _)| *until <= drawn);
        self.shares.get(place).map(|(_, upstream)| upstream)
    }
}

impl Upstream for Split {
    fn call(&self, exchange: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        match self.choose(&exchange.metadata, exchange.worker) {
            Some(upstream) => upstream.call(exchange),
            None => Box::pin(async {
                Err(Error::unavailable("upstream_none", "no upstream answers this method"))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;

    /// Not empty, so that each has an address of its own.
    struct Nobody(#[expect(dead_code, reason = "it only takes up room")] u8);

    impl Upstream for Nobody {
        fn call(&self, _: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
            Box::pin(async { Err(Error::unavailable("nobody", "nobody")) })
        }
    }

    struct Rig {
        split: Split,
        upstreams: HashMap<&'static str, Arc<dyn Upstream>>,
    }

    impl Rig {
        fn new(settings: serde_json::Value) -> Self {
            let Destination::Among(among) = serde_json::from_value(settings).unwrap() else {
                panic!("one upstream")
            };
            let make = |name| (name, Arc::new(Nobody(0)) as Arc<dyn Upstream>);
            let upstreams: HashMap<_, _> = ["a", "b", "c"].map(make).into();
            let dice = Dice::seeded(&[3]);
            let split = Split::with_dice(&among, dice, |name| upstreams.get(name).cloned());
            Self { split: split.unwrap(), upstreams }
        }

        fn choose(&self, headers: &[(&'static str, &str)]) -> &'static str {
            let headers = headers.iter().map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::try_from(*value).unwrap())
            });
            let chosen = self.split.choose(&headers.collect(), 0).unwrap();
            let same =
                |(_, other): &(&&'static str, &Arc<dyn Upstream>)| Arc::ptr_eq(chosen, other);
            self.upstreams.iter().find(same).unwrap().0
        }

        fn count(&self, picks: usize) -> HashMap<&'static str, usize> {
            let mut counts = HashMap::new();
            (0..picks).for_each(|_| *counts.entry(self.choose(&[])).or_default() += 1);
            counts
        }
    }

    #[test]
    fn split_shares_by_weight() {
        let rig = Rig::new(json!({ "split": [
            { "upstream": "a", "weight": 95 }, { "upstream": "b", "weight": 5 },
            { "upstream": "c", "weight": 0 },
        ] }));
        let counts = rig.count(20_000);
        assert!((18_800..19_200).contains(&counts["a"]), "{counts:?}");
        assert_eq!(counts["a"] + counts["b"], 20_000);
    }

    #[test]
    fn header_chooses_before_the_rest() {
        let rig = Rig::new(json!({
            "match": [
                { "header": "X-Version", "value": "v2", "upstream": "b" },
                { "header": "x-try", "upstream": "c" },
            ],
            "default": "a",
        }));
        assert_eq!(rig.choose(&[]), "a");
        assert_eq!(rig.choose(&[("x-version", "v1")]), "a");
        assert_eq!(rig.choose(&[("x-version", "v2"), ("x-try", "1")]), "b");
        assert_eq!(rig.choose(&[("x-version", "v1"), ("x-version", "v2")]), "b");
        assert_eq!(rig.choose(&[("x-try", "")]), "c");
    }

    #[test]
    fn sticky_value_stays_where_it_is() {
        let rig = Rig::new(json!({
            "split": [{ "upstream": "a", "weight": 50 }, { "upstream": "b", "weight": 50 }],
            "sticky": "x-user",
        }));
        let mut at_a = 0;
        for user in 0..1000 {
            let user = user.to_string();
            let first = rig.choose(&[("x-user", &user)]);
            assert_eq!(rig.choose(&[("x-user", &user)]), first);
            at_a += usize::from(first == "a");
        }
        assert!((430..570).contains(&at_a), "{at_a}");
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let wrong = |settings: serde_json::Value| {
            let settings: Destination = serde_json::from_value(settings).unwrap();
            settings.check().into_iter().map(|(path, _)| path).collect::<Vec<_>>()
        };
        assert_eq!(wrong(json!("a")), [""; 0]);
        assert_eq!(wrong(json!({})), [""]);
        let share = json!({ "upstream": "a", "weight": 0 });
        assert_eq!(wrong(json!({ "default": "a", "split": [share] })), ["", "split"]);
        let found = wrong(json!({
            "match": [{ "header": "a b", "value": "\n", "upstream": "a" }],
            "default": "a", "sticky": "",
        }));
        assert_eq!(found, ["match[0].header", "match[0].value", "sticky", "sticky"]);
        for unknown in [json!({ "spilt": [] }), json!(7), json!({ "match": [{ "header": "x" }] })] {
            assert!(serde_json::from_value::<Destination>(unknown).is_err());
        }
    }
}
