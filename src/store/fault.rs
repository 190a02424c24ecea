//! Why the store gave no answer.

use std::fmt;

use ::redis::{RedisError, Value};

/// Why the store gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no connection, and one is being made.
    Away,
    /// The answer did not come in time.
    Late,
    /// As many calls wait for answers as may.
    Busy,
    /// The store answered that it won't, in its words.
    Refused(String),
}

impl Fault {
    /// Their names, as metrics have them.
    pub(super) const NAMES: [&'static str; 4] = ["away", "late", "busy", "refused"];

    /// The place of its name.
    pub(super) fn index(&self) -> usize {
        match self {
            Self::Away => 0,
            Self::Late => 1,
            Self::Busy => 2,
            Self::Refused(_) => 3,
        }
    }

    /// An answer of a kind that nobody asked for.
    pub(super) fn strange(answer: &Value) -> Self {
        let kind = match answer {
            Value::Nil => "nothing",
            Value::Int(_) => "a number",
            Value::BulkString(_) | Value::SimpleString(_) | Value::Okay => "a text",
            Value::Array(_) => "a list",
            _ => "something else",
        };
        Self::Refused(format!("it answered {kind} where that makes no sense"))
    }

    /// What an error of the package says: words of the store, or of a connection that has broken.
    pub(super) fn of(error: &RedisError) -> Self {
        match (error.code(), error.detail()) {
            (Some(code), detail) => {
                Self::Refused(format!("{code} {}", detail.unwrap_or_default()).trim().to_owned())
            }
            (None, _) => Self::Away,
        }
    }

    /// Whether another connection may lead to a store that will: this one was made a replica, or has
    /// not read its data yet.
    pub(super) fn is_of_place(&self) -> bool {
        const WORDS: [&str; 4] = ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN"];
        matches!(self, Self::Refused(told) if WORDS.iter().any(|word| told.starts_with(word)))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away => f.write_str("there is no connection to it"),
            Self::Late => f.write_str("it did not answer in time"),
            Self::Busy => f.write_str("too many calls wait for it"),
            Self::Refused(told) => write!(f, "it refused: {told}"),
        }
    }
}

impl std::error::Error for Fault {}
