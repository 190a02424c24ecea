//! What a store has refused lately, so that callers who don't heed it don't keep it busy.
//!
//! ```text
//! question ── refused a moment ago? ── yes ─► the same verdicts, with less time to wait
//!                                   └─ no ──► store ── refused ─► kept until it may be allowed
//! ```
//!
//! A refusal costs a limit nothing, and nothing but time mends it: until the time that the store
//! itself has told, it would refuse the same question again. The question is all that the store is
//! told, so another caller, another cost or another limit is another one. It is believed no longer
//! than a moment all the same, for somebody may have reset the limit in the store.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::count::{Verdict, Verdicts};

/// How long a refusal is believed at most.
const LONGEST: Duration = Duration::from_secs(1);

/// How many are kept. With more, the store is asked.
const MOST: usize = 4096;

/// How many arguments a limit has; the last of them says whether it is in shadow mode.
pub(super) const ARGUMENTS: usize = 5;

/// What a store is asked: keys, and the arguments of each.
pub(super) type Question = (Vec<String>, Vec<i64>);

/// Questions that were refused.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<Question, Refusal>>);

struct Refusal {
    verdicts: Verdicts,
    /// Between which times it holds, in nanoseconds of the gateway's clock that never goes back.
    asked: u64,
    until: u64,
}

impl Refusals {
    /// What the store would say of a question now, if it is sure to refuse it.
    pub(super) fn recall(&self, question: &Question, now: u64) -> Option<Verdicts> {
        let mut all = self.lock();
        let Refusal { verdicts, asked, until } = all.get(question)?;
        if now >= *until {
            all.remove(question);
            return None;
        }
        let passed = Duration::from_nanos(now.saturating_sub(*asked));
        let later = |verdict: &Verdict| Verdict {
            reset: verdict.reset.saturating_sub(passed),
            retry_after: verdict.retry_after.saturating_sub(passed),
            ..*verdict
        };
        Some(verdicts.iter().map(later).collect())
    }

    /// Keeps what the store has said to a question that was `asked` at a time, if it was a refusal.
    pub(super) fn note(&self, question: Question, verdicts: &Verdicts, asked: u64) {
        let told = || verdicts.iter().zip(question.1.chunks(ARGUMENTS));
        let refuses = |(verdict, arguments): (&Verdict, &[i64])| {
            !verdict.allowed && arguments.last() == Some(&0)
        };
        if !told().any(refuses) {
            return;
        }
        // Until one of them says something else.
        let waits = verdicts.iter().filter(|verdict| !verdict.allowed).map(|one| one.retry_after);
        let holds = waits.fold(LONGEST, Duration::min).as_nanos() as u64;
        let until = asked.saturating_add(holds);
        let mut all = self.lock();
        if all.len() >= MOST {
            all.retain(|_, refusal| asked < refusal.until);
        }
        if all.len() < MOST {
            all.insert(question, Refusal { verdicts: verdicts.clone(), asked, until });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Question, Refusal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        exchange::Metadata,
        stage::rate_limit::{
            count::Ask,
            key::Asker,
            local::{self, Now},
            tests::Bench,
        },
    };

    fn question(caller: &str, cost: i64, shadow: i64) -> Question {
        (vec![caller.to_owned()], vec![0, 1, 1, cost, shadow])
    }

    fn refused(retry_after: Duration) -> Verdicts {
        let verdict = Verdict { allowed: false, remaining: 0, reset: retry_after, retry_after };
        [verdict].into_iter().collect()
    }

    #[test]
    fn refusal_is_believed_for_a_moment_and_never_past_its_end() {
        for (millis, believed) in [(300, 300), (1000, 1000), (86_400_000, 1000)] {
            let (refusals, ada) = (Refusals::default(), question("ada", 2, 0));
            refusals.note(ada.clone(), &refused(Duration::from_millis(millis)), 5_000_000);
            let at = |millis: u64| refusals.recall(&ada, (5 + millis) * 1_000_000);
            let told = at(100).unwrap()[0];
            assert_eq!(told.retry_after, Duration::from_millis(millis - 100));
            assert_eq!(told.reset, told.retry_after);
            assert!(at(believed - 1).is_some() && at(believed).is_none(), "{millis}");
        }
    }

    #[test]
    fn refusal_of_one_question_says_nothing_of_another() {
        let refusals = Refusals::default();
        refusals.note(question("ada", 2, 0), &refused(Duration::from_secs(9)), 0);
        for other in [question("bob", 2, 0), question("ada", 1, 0), question("ada", 3, 0)] {
            assert_eq!(refusals.recall(&other, 1), None);
        }
        // What refuses nobody isn't kept, and what is allowed isn't either.
        refusals.note(question("eve", 2, 1), &refused(Duration::from_secs(9)), 0);
        assert_eq!(refusals.recall(&question("eve", 2, 1), 1), None);
        let allowed = [Verdict::UNKNOWN].into_iter().collect();
        refusals.note(question("eve", 2, 0), &allowed, 0);
        assert_eq!(refusals.recall(&question("eve", 2, 0), 1), None);
    }

    #[test]
    fn many_refused_callers_take_no_more_room_than_was_given() {
        let refusals = Refusals::default();
        for caller in 0..50_000_u64 {
            let question = question(&caller.to_string(), 1, 0);
            refusals.note(question, &refused(Duration::from_secs(9)), caller * 100_000);
        }
        assert_eq!(refusals.lock().len(), MOST);
        // Old ones make room.
        let (last, now) = (question("last", 1, 0), 6_000_000_000);
        refusals.note(last.clone(), &refused(Duration::from_secs(9)), now);
        assert!(refusals.recall(&last, now).is_some());
    }

    #[test]
    fn refusals_that_are_recalled_are_those_that_would_be_told() {
        let limits = Bench::default().limits(&json!({ "limits": {
            "a": { "rate": "7/3s", "burst": 5 },
            "b": { "rate": "1000/d", "burst": 300, "shadow": true },
            "c": { "quota": "4000/day" },
        } }));
        let metadata = Metadata::new();
        let asker =
            Asker { principal: None, address: None, metadata: &metadata, message: None, worker: 0 };
        let (refusals, mut random) = (Refusals::default(), fastrand::Rng::with_seed(3));
        let (mut nanos, mut recalled) = (0, 0);
        for _ in 0..20_000 {
            nanos += random.u64(0..200_000_000);
            let cost = random.u64(1..5);
            let arguments = [0, 1].map(|shadow| [0, 0, 0, cost as i64, shadow]);
            let arguments = [arguments[0], arguments[1], arguments[0]].concat();
            let question = (vec!["ada".to_owned()], arguments);
            let asks: Vec<_> =
                limits.iter().map(|limit| Ask { limit, asker: &asker, cost }).collect();
            let now = Now { nanos, unix: 1_772_323_200 + nanos / 1_000_000_000 };
            let told = local::take(&asks, now);
            match refusals.recall(&question, nanos) {
                Some(_) => {
                    let is_refused = !told[0].allowed || !told[2].allowed;
                    assert!(is_refused, "{told:?}");
                    recalled += 1;
                }
                None => refusals.note(question, &told, nanos),
            }
        }
        assert!(recalled > 1000, "{recalled}");
    }
}
