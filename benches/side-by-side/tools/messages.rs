//! The messages that are sent, as JSON: the same in every run, and no two items alike.

use std::fmt::Write;

use base64_simd::STANDARD;
use serde_json::{Map, Value, json};

/// The shop that all calls are about.
pub(crate) const SHOP: &str = "harbour-street";

/// The item that is read and created.
pub(crate) const ITEM: &str = "item-000007";

/// How many items a list has; its JSON is about 150 KB.
pub(crate) const LISTED: usize = 500;

/// How many messages a stream has.
pub(crate) const STREAMED: usize = 1000;

/// An item of about 300 bytes of JSON.
pub(crate) fn item(number: usize) -> Value {
    let conditions = ["CONDITION_NEW", "CONDITION_USED"];
    let countries = ["Norway", "Chile", "Japan", "Ghana"];
    json!({
        "id": format!("item-{number:06}"),
        "title": format!("Brass lantern, size {}", number % 13 + 1),
        "condition": conditions[number % conditions.len()],
        "priceCents": (number * 7919 % 100_000 + 100).to_string(),
        "stock": number % 40 + 1,
        "weight": 0.25 * (number % 17 + 1) as f64,
        "onSale": true,
        "labels": ["lantern", format!("aisle-{}", number % 9)],
        "origin": {
            "maker": "Lind & Daughters",
            "country": countries[number % countries.len()],
            "year": 1950 + number % 70,
        },
        "changed": format!("2024-0{}-1{}T08:30:00Z", number % 9 + 1, number % 10),
    })
}

/// An item of about 1 KB of JSON.
pub(crate) fn described_item() -> Value {
    let mut item = item(7);
    item["description"] = Value::String(prose(700));
    item
}

/// So many items.
pub(crate) fn items(count: usize) -> Vec<Value> {
    (0..count).map(item).collect()
}

/// A bit of everything, about 900 KB of JSON: with its copy on the way, within the megabyte that
/// gateways take by default.
pub(crate) fn ledger() -> Value {
    let amount = |n: usize| n as f64 * 1234.5678 / 97.0 - 5000.25;
    let remarks: Map<String, Value> =
        (0..2500).map(|n| (format!("remark-{n:05}"), Value::String(prose(30 + n % 40)))).collect();
    let scan = |n: usize| -> Vec<u8> { (0..12_000).map(|i| (i * 31 + n * 17) as u8).collect() };
    json!({
        "title": "Everything at once",
        "amounts": (0..10_000).map(amount).collect::<Vec<_>>(),
        "accounts": (0..8_000_i64).map(|n| (n * 7_919_000_001).to_string()).collect::<Vec<_>>(),
        "remarks": remarks,
        "scans": (0..10).map(|n| STANDARD.encode_to_string(scan(n))).collect::<Vec<_>>(),
        "lines": (0..1500).map(|n| prose(60 + n % 80)).collect::<Vec<_>>(),
    })
}

/// A ledger of about 1 KB on the wire.
pub(crate) fn small_ledger() -> Value {
    json!({ "title": "A page", "lines": (0..10).map(|n| prose(90 + n)).collect::<Vec<_>>() })
}

/// What is said over a WebSocket.
pub(crate) fn note() -> Value {
    json!({ "text": prose(80), "number": 42 })
}

/// Text of so many bytes at least, with what JSON has to escape now and then.
fn prose(length: usize) -> String {
    let words = ["the", "lamp", "by", "the", "stairs", "said", "\"lit\"", "and", "went", "out"];
    let mut text = String::with_capacity(length + 8);
    for word in words.iter().cycle() {
        if text.len() >= length {
            break;
        }
        write!(text, "{word} ").unwrap();
    }
    text
}
