//! serde's messages as sentences for people, with what would mend them.

use crate::problem::Problem;

/// The problem that a message of serde's tells.
pub(super) fn problem(path: &str, message: &str) -> Problem {
    if let Some(key) = unknown_key(message) {
        return unknown(path, "key", key, &quoted(after(message, "expected ")));
    }
    if let Some(key) = missing_key(message) {
        let message = format!("`{key}` is missing");
        return Problem::error(path, message).mend(format!("add `{key}: …`"));
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let name = quoted(rest).first().copied().unwrap_or_default();
        return unknown(path, "value", name, &quoted(after(rest, "expected ")));
    }
    for kind in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some(rest) = message.strip_prefix(kind)
            && let Some((found, expected)) = rest.rsplit_once(", expected ")
        {
            let message = format!("{} instead of {}", found_as(found), expected_as(expected));
            return Problem::error(path, message);
        }
    }
    let (message, mend) = message.split_once("; ").unwrap_or((message, ""));
    Problem::error(path, message).mend(mend)
}

/// A name that is not among the known ones; says which was meant, or which there are.
pub(super) fn unknown(path: &str, what: &str, name: &str, known: &[&str]) -> Problem {
    let problem = Problem::error(path, format!("unknown {what} `{name}`"));
    match (nearest(name, known), known) {
        (Some(meant), _) => problem.mend(format!("did you mean `{meant}`?")),
        (None, []) => problem.mend("take it away"),
        (None, known) => {
            let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
            problem.mend(format!("known here: {}", known.join(", ")))
        }
    }
}

/// The key that a message says is unknown.
pub(super) fn unknown_key(message: &str) -> Option<&str> {
    message.strip_prefix("unknown field ").and_then(|rest| quoted(rest).first().copied())
}

/// The key that a message says is missing.
pub(super) fn missing_key(message: &str) -> Option<&str> {
    message.strip_prefix("missing field ").and_then(|rest| quoted(rest).first().copied())
}

/// The known name that was probably meant.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let distance = |known: &str| strsim::damerau_levenshtein(name, known);
    let best = known.iter().copied().min_by_key(|known| distance(known))?;
    let limit = (name.len().max(best.len()) / 3).max(1).min(name.len().saturating_sub(1));
    (distance(best) <= limit).then_some(best)
}

fn after<'m>(message: &'m str, word: &str) -> &'m str {
    message.split_once(word).map_or("", |(_, rest)| rest)
}

/// The words in backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn found_as(found: &str) -> String {
    match found {
        "null" => "nothing".into(),
        "map" => "a mapping".into(),
        "sequence" => "a list".into(),
        found => match found.split_once(' ') {
            Some((kind @ ("string" | "integer" | "floating"), _)) => {
                let value = found.trim_start_matches(kind).trim_start_matches(" point").trim();
                let kind = if kind == "string" { "the text" } else { "the number" };
                format!("{kind} {}", value.replace('"', "`"))
            }
            Some(("boolean", value)) => value.into(),
            _ => found.into(),
        },
    }
}

fn expected_as(expected: &str) -> &str {
    match expected {
        "a nonzero usize" => "a whole number from 1",
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number from 0",
        "a boolean" => "`true` or `false`",
        "a string" | "path string" | "a borrowed string" => "text (quote a number)",
        "a sequence" => "a list",
        "a map" => "a mapping",
        expected if expected.starts_with("struct ") => "a mapping",
        expected if expected.starts_with("string or ") || expected.ends_with(" enum") => "a name",
        expected => expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_sentences() {
        for (message, sentence) in [
            (
                "unknown field `lisen`, expected one of `listen`, `schema`",
                "unknown key `lisen`; did you mean `listen`?",
            ),
            ("unknown field `x`, expected `a` or `bcd`", "unknown key `x`; known here: `a`, `bcd`"),
            ("unknown field `wrong`, expected `a`", "unknown key `wrong`; known here: `a`"),
            ("missing field `address`", "`address` is missing; add `address: …`"),
            (
                "invalid type: string \"many\", expected a nonzero usize",
                "the text `many` instead of a whole number from 1",
            ),
            ("invalid type: map, expected a sequence", "a mapping instead of a list"),
            ("invalid type: null, expected struct Listen", "nothing instead of a mapping"),
            (
                "invalid type: integer `7`, expected a string",
                "the number `7` instead of text (quote a number)",
            ),
            ("no light; open the door", "no light; open the door"),
        ] {
            assert_eq!(problem("", message).to_string(), sentence);
        }
    }
}
