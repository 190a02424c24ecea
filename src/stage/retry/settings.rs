//! What a policy's `retry` may say.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::{
    duration::{duration, optional_duration},
    error::Code,
    stage::Finding,
};

/// The most attempts that a call may have; more are refused rather than cut (gRFC A6 cuts them).
pub(super) const MOST_ATTEMPTS: u32 = 5;

/// The most tokens that a budget may have (gRFC A6).
const MOST_TOKENS: f64 = 1000.0;

/// When and how a call that failed is tried again (gRFC A6).
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Retry")]
pub struct Settings {
    /// The codes of failures that are worth another attempt; `[UNAVAILABLE]` by default.
    pub codes: Codes,
    /// How many attempts a call has at most, the first included: 1 (no retries) to 5; 3 by default.
    pub attempts: u32,
    /// Which methods are tried again; `idempotent` by default.
    pub methods: Methods,
    /// The pauses between attempts.
    pub backoff: Backoff,
    /// How long one attempt may take until its answer begins; without it, as long as the call.
    #[serde(deserialize_with = "optional_duration")]
    #[schemars(with = "Option<String>")]
    pub per_try_timeout: Option<Duration>,
    /// How many retries failures may cause altogether.
    pub budget: Budget,
    /// Sends further attempts while the first is still under way, instead of after it.
    pub hedge: Option<Hedge>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            codes: Codes::of(&[Code::Unavailable]),
            attempts: 3,
            methods: Methods::default(),
            backoff: Backoff::default(),
            per_try_timeout: None,
            budget: Budget::default(),
            hedge: None,
        }
    }
}

/// Which methods are tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RetryMethods")]
pub enum Methods {
    /// Those whose `idempotency_level` says so, and those bound by nothing but idempotent HTTP
    /// methods (GET, PUT, DELETE).
    #[default]
    Idempotent,
    /// All, whatever another attempt may do twice.
    All,
}

/// The pauses between attempts: each so many times the one before, a fifth more or less by chance.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "RetryBackoff")]
pub struct Backoff {
    /// The first pause; `25ms` by default.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub initial: Duration,
    /// The longest pause; `1s` by default.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub max: Duration,
    /// How many times the pause before a pause is; 2 by default.
    pub multiplier: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        let (initial, max) = (Duration::from_millis(25), Duration::from_secs(1));
        Self { initial, max, multiplier: 2.0 }
    }
}

/// A bucket of tokens that the methods of a selector share: a failure takes one out, a success puts
/// a part of one back, and while it is half empty or more nothing is tried again.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "RetryBudget")]
pub struct Budget {
    /// How many tokens there are at most, up to 1000, which is the default.
    pub tokens: f64,
    /// What a success puts back; 0.1 by default.
    pub ratio: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { tokens: MOST_TOKENS, ratio: 0.1 }
    }
}

/// Attempts beside each other: the first that succeeds is the answer, the others are cancelled.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RetryHedge")]
pub struct Hedge {
    /// How long after an attempt the next one is sent, if there is no answer yet.
    #[serde(deserialize_with = "duration")]
    #[schemars(with = "String")]
    pub delay: Duration,
    /// How many attempts there are at most; those of `retry` by default.
    #[serde(default)]
    pub attempts: Option<u32>,
    /// The codes of failures that send the next attempt at once instead of ending the call; those of
    /// `retry` by default.
    #[serde(default)]
    pub codes: Option<Codes>,
}

impl Settings {
    /// What a single setting can't say of itself.
    pub(super) fn check(&self) -> Result<(), Finding> {
        let refuse = |path: &str, message: &str| Err((path.to_owned(), message.to_owned()));
        let attempts = 1..=MOST_ATTEMPTS;
        if !attempts.contains(&self.attempts) {
            return refuse("attempts", "a call has between 1 and 5 attempts; 1 is no retry at all");
        }
        if self.backoff.initial.is_zero() || self.backoff.max < self.backoff.initial {
            return refuse(
                "backoff",
                "`initial` has to be above zero and `max` at least `initial`; write \
                 `{ initial: 25ms, max: 1s }` for example",
            );
        }
        if !(1.0..=100.0).contains(&self.backoff.multiplier) {
            return refuse("backoff.multiplier", "write a number between 1 and 100, such as `2`");
        }
        if self.per_try_timeout.is_some_and(|limit| limit.is_zero()) {
            return refuse(
                "per_try_timeout",
                "no attempt can be answered in no time; leave it out",
            );
        }
        if !(self.budget.tokens > 0.0 && self.budget.tokens <= MOST_TOKENS) {
            return refuse("budget.tokens", "write a number above 0 and up to 1000");
        }
        if !(self.budget.ratio > 0.0 && self.budget.ratio <= MOST_TOKENS) {
            return refuse("budget.ratio", "write a number above 0, such as `0.1`");
        }
        match self.hedge.as_ref().and_then(|hedge| hedge.attempts) {
            Some(count) if !attempts.contains(&count) => {
                refuse("hedge.attempts", "a call has between 1 and 5 attempts")
            }
            _ => Ok(()),
        }
    }
}

/// A set of gRPC codes, written as a list of their names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Codes(u32);

impl Codes {
    /// The set of these.
    pub(super) fn of(codes: &[Code]) -> Self {
        Self(codes.iter().fold(0, |bits, code| bits | 1 << code.number()))
    }

    /// Whether the code is one of them.
    pub(super) fn contain(self, code: Code) -> bool {
        self.0 & (1 << code.number()) != 0
    }

    fn all() -> impl Iterator<Item = Code> {
        (1..=Code::Unauthenticated.number()).map(Code::from_number)
    }
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Self::all().filter(|code| self.contain(*code))).finish()
    }
}

impl<'de> Deserialize<'de> for Codes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let codes: Result<Vec<_>, _> = names
            .iter()
            .map(|name| {
                Code::from_name(name).filter(|code| *code != Code::Ok).ok_or_else(|| {
                    let message = "is no code of a failure; write one such as `UNAVAILABLE`";
                    de::Error::custom(format!("`{name}` {message}"))
                })
            })
            .collect();
        Ok(Self::of(&codes?))
    }
}

impl JsonSchema for Codes {
    fn schema_name() -> Cow<'static, str> {
        "Codes".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Codes").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = Self::all().map(Code::name).collect();
        json_schema!({
            "description": "Names of gRPC codes.",
            "type": "array",
            "items": { "type": "string", "enum": names },
        })
    }
}
