//! From the byte where a document is wrong to its line, column and JSON path.
//!
//! Nothing of this is kept while a document is read: it is read again up to the place, and only
//! if something is wrong with it.

use super::{
    error::{JsonError, Reason},
    steps::count_steps,
};

/// A path longer than this is cut in its middle.
const LONGEST_PATH: usize = 400;

impl JsonError {
    #[cold]
    pub(super) fn locate(input: &[u8], reason: Reason) -> Self {
        let offset = reason.offset.min(input.len());
        let before = &input[..offset];
        count_steps(offset);
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        Self {
            message: reason.message,
            offset,
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: String::from_utf8_lossy(&before[line_start..]).chars().count() + 1,
            path: path(input, offset),
            too_large: reason.too_large,
        }
    }
}

/// Where inside a container the walk is.
enum Inside {
    /// An object: the place of the last key's text, and whether its value comes next or is there.
    Object(std::ops::Range<usize>, bool),
    /// An array: the index of the element.
    Array(usize),
}

/// The JSON path of what stands at an offset: the key's own field for a key.
fn path(input: &[u8], offset: usize) -> String {
    let mut stack: Vec<Inside> = Vec::new();
    let mut at = 0;
    while at < offset {
        count_steps(1);
        match input[at] {
            b'{' => stack.push(Inside::Object(0..0, false)),
            b'[' => stack.push(Inside::Array(0)),
            b'}' | b']' => drop(stack.pop()),
            b',' => match stack.last_mut() {
                Some(Inside::Object(key, valued)) => (*key, *valued) = (0..0, false),
                Some(Inside::Array(index)) => *index += 1,
                None => {}
            },
            b'"' => {
                let end = string_end(input, at);
                if end > offset {
                    break;
                }
                if let Some(Inside::Object(key, false)) = stack.last_mut() {
                    *key = at + 1..end - 1;
                }
                at = end;
                continue;
            }
            b':' => {
                if let Some(Inside::Object(_, valued)) = stack.last_mut() {
                    *valued = true;
                }
            }
            _ => {}
        }
        at += 1;
    }
    // A key that is itself the trouble belongs to the path.
    if let Some(Inside::Object(key, false)) = stack.last_mut()
        && input.get(at) == Some(&b'"')
    {
        let end = string_end(input, at);
        if end > at + 1 && input.get(end - 1) == Some(&b'"') {
            *key = at + 1..end - 1;
        }
    }
    let mut path = String::from("$");
    for inside in &stack {
        count_steps(1);
        match inside {
            Inside::Object(key, _) if key.is_empty() => {}
            Inside::Object(key, _) => push_name(&mut path, &input[key.clone()]),
            Inside::Array(index) => path.push_str(&format!("[{index}]")),
        }
    }
    clip(path)
}

/// Where the string ends that opens here, behind its quote.
fn string_end(input: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while let Some(&byte) = input.get(at) {
        count_steps(1);
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at.min(input.len())
}

fn push_name(path: &mut String, name: &[u8]) {
    count_steps(name.len());
    let is_word = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let name = String::from_utf8_lossy(name);
    if is_word {
        path.push('.');
        path.push_str(&name);
    } else {
        path.push_str(&format!("[\"{name}\"]"));
    }
}

fn clip(path: String) -> String {
    if path.len() <= LONGEST_PATH {
        return path;
    }
    let mut head = LONGEST_PATH / 2;
    let mut tail = path.len() - LONGEST_PATH / 2;
    while !path.is_char_boundary(head) {
        head -= 1;
    }
    while !path.is_char_boundary(tail) {
        tail += 1;
    }
    format!("{}…{}", &path[..head], &path[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_values_and_keys() {
        let input = br#"{"a": [1, {"b c": {"d\"": 2}}], "e": 3}"#;
        for (shown, expected) in [
            ("1", "$.a[0]"),
            ("2", "$.a[1][\"b c\"][\"d\\\"\"]"),
            ("3", "$.e"),
            ("\"e\"", "$.e"),
            ("[", "$.a"),
            ("{", "$"),
        ] {
            let at = input.windows(shown.len()).position(|part| part == shown.as_bytes()).unwrap();
            assert_eq!(path(input, at), expected, "{shown}");
        }
    }

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let input = "{\n  \"ä\": x".as_bytes();
        let reason = Reason { message: "".into(), offset: input.len() - 1, too_large: false };
        let error = JsonError::locate(input, reason);
        assert_eq!((error.line, error.column, error.path.as_str()), (2, 8, "$[\"ä\"]"));
    }
}
