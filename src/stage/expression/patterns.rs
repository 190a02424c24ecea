//! `matches`: patterns in RE2's syntax, compiled once and matched in linear time.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use cel::{ExecutionError, FunctionContext, extractors::This};
use regex::{Regex, RegexBuilder};

/// The most that a compiled pattern may take, in bytes.
const LARGEST: usize = 1 << 20;

/// The longest pattern, in bytes.
const LONGEST: usize = 1 << 10;

/// So many patterns are kept. They come from the configuration and the schema, but an expression may
/// take one out of a message, and that must not fill the memory.
const KEPT: usize = 1_024;

static PATTERNS: LazyLock<RwLock<HashMap<String, Regex>>> = LazyLock::new(RwLock::default);

/// Whether a text has a part that fits a pattern.
pub(super) fn matches(
    context: &FunctionContext<'_, '_>,
    This(text): This<Arc<String>>,
    pattern: Arc<String>,
) -> Result<bool, ExecutionError> {
    let found = {
        let kept = PATTERNS.read().unwrap_or_else(PoisonError::into_inner);
        kept.get(&*pattern).map(|regex| regex.is_match(&text))
    };
    if let Some(found) = found {
        return Ok(found);
    }
    let regex = check_pattern(&pattern).map_err(|why| context.error(why))?;
    let found = regex.is_match(&text);
    let mut kept = PATTERNS.write().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < KEPT {
        kept.insert(pattern.to_string(), regex);
    }
    Ok(found)
}

/// Compiles a pattern.
///
/// # Errors
/// It is none, or too large: a sentence.
pub(in crate::stage) fn check_pattern(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > LONGEST {
        return Err(format!("the pattern is too long; write at most {LONGEST} bytes"));
    }
    let regex = RegexBuilder::new(pattern).size_limit(LARGEST).build();
    regex.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the pattern is too large; repeat less".to_owned(),
        error => {
            let error = error.to_string();
            let last = error.lines().last().unwrap_or_default();
            format!("`{pattern}` is no pattern of RE2: {}", last.trim_start_matches("error: "))
        }
    })
}
