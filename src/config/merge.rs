//! Policies laid over one another.
//!
//! ```text
//! below  { timeout: 5s, headers: { request: { set: { a: 1 } } }, list: [1, 2] }
//! above  { timeout: null, headers: { request: { set: { b: 2 } } }, list: [3] }
//! result { headers: { request: { set: { a: 1, b: 2 } } }, list: [3] }
//! ```

use serde_json::{Map, Value};

/// Lays `above` over `below`: mappings are merged, lists and plain values replaced, and `null`
/// takes a key away.
pub(super) fn lay_over(below: &mut Map<String, Value>, above: &Map<String, Value>) {
    for (key, value) in above {
        match (below.get_mut(key), value) {
            (_, Value::Null) => {
                below.remove(key);
            }
            (Some(Value::Object(below)), Value::Object(above)) => lay_over(below, above),
            (_, Value::Object(above)) => {
                // Merged with nothing, so that a `null` inside means the same as elsewhere.
                let mut merged = Map::new();
                lay_over(&mut merged, above);
                below.insert(key.clone(), Value::Object(merged));
            }
            (_, value) => {
                below.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(below: Value, above: Value) -> Value {
        let (Value::Object(mut below), Value::Object(above)) = (below, above) else {
            panic!("two mappings");
        };
        lay_over(&mut below, &above);
        Value::Object(below)
    }

    #[test]
    fn mappings_merge_and_the_rest_is_replaced() {
        let below = json!({ "a": 1, "list": [1, 2], "deep": { "x": { "y": 1 }, "z": 2 } });
        let above = json!({ "b": 2, "list": [3], "deep": { "x": { "w": 3 }, "z": { "v": 4 } } });
        let result = json!({
            "a": 1, "b": 2, "list": [3],
            "deep": { "x": { "y": 1, "w": 3 }, "z": { "v": 4 } },
        });
        assert_eq!(merged(below, above), result);
    }

    #[test]
    fn null_takes_a_key_away() {
        let below = json!({ "a": 1, "deep": { "x": 1, "y": 2 } });
        let above = json!({ "a": null, "deep": { "x": null }, "new": { "z": null } });
        assert_eq!(merged(below, above), json!({ "deep": { "y": 2 }, "new": {} }));
    }
}
