//! JSON both ways, as far as it shows at the door; the mapping itself has its own tests.

use serde_json::{Value, json};

use crate::support::Rig;

const SHELF: &str = "/v1/shelves/fiction/books";

async fn refused(json: &str) -> String {
    let rig = Rig::start().await;
    let message = rig.send("POST", SHELF, json).await.refusal(400, 3);
    assert_eq!(rig.bookshelf.begun(), 0, "a refusal was passed on");
    message
}

#[tokio::test]
async fn answer_leaves_out_defaults_and_writes_64_bit_integers_as_strings() {
    let rig = Rig::start().await;
    let response = rig.get("/v1/shelves/fiction/books/light-above-the-door").await;
    assert_eq!(response.header("content-type"), "application/json");
    let book = response.ok();
    assert_eq!(book["isbn"], "9780000000019");
    assert_eq!(book["sold"], json!({ "2002": "1200", "2003": "9007199254740993" }));
    assert_eq!(book["published"], "2002-03-16T00:00:00.500Z");
    assert_eq!(book["readingTime"], "19800.250s");
    assert_eq!(book["genre"], "GENRE_NOVEL");
    assert_eq!(book["rating"], 5);
    assert_eq!(book["subtitle"], "", "a field with presence is written though it is empty");
    assert_eq!(book["position"], 3);
    let letters = rig.get("/v1/shelves/fiction/books/letters").await.ok();
    for absent in ["price", "read", "tags", "published", "rating", "position", "lentTo"] {
        assert!(letters.get(absent).is_none(), "{absent}: {letters}");
    }
}

#[tokio::test]
async fn answer_has_defaults_by_policy() {
    let rig = Rig::with_policy("emit_defaults: all").await;
    let letters = rig.get("/v1/shelves/fiction/books/letters").await.ok();
    assert_eq!(letters["price"].as_f64(), Some(0.0));
    assert_eq!((&letters["read"], &letters["tags"]), (&json!(false), &json!([])));
    assert_eq!(letters["notes"], json!({}));
    assert!(letters.get("lentTo").is_none(), "a member of a oneof has no default to write");
    let rig = Rig::with_policy("emit_defaults: scalars").await;
    let letters = rig.get("/v1/shelves/fiction/books/letters").await.ok();
    assert_eq!(letters["read"], false);
    assert!(letters.get("tags").is_none() && letters.get("notes").is_none(), "{letters}");
}

#[tokio::test]
async fn answer_has_proto_names_and_enum_numbers_by_policy() {
    let rig = Rig::with_policy("proto_names: true, enums_as_numbers: true").await;
    let book = rig.get("/v1/shelves/fiction/books/light-above-the-door").await.ok();
    assert_eq!((&book["reading_time"], &book["genre"]), (&json!("19800.250s"), &json!(1)));
    assert!(book.get("readingTime").is_none());
}

#[tokio::test]
async fn body_is_read_by_either_name_and_comes_back_whole() {
    let rig = Rig::start().await;
    let json = r#"{"title":"é\u00e9\ud83d\ude00","reading_time":"1.5s","lentTo":"me","isbn":9007199254740993,
        "sold":{"-1":"2"},"price":1e2,"genre":2,"weight":"0.5","checksum":"AAH_","published":"2020-02-29T23:59:59+01:00",
        "pages":3.0,"rating":0,"publisher":{"name":"P"},"subtitle":null}"#;
    let book = rig.send("POST", SHELF, json).await.json();
    let want = json!({
        "name": "shelves/fiction/books/untitled", "title": "éé😀", "readingTime": "1.500s",
        "lentTo": "me", "isbn": "9007199254740993", "sold": { "-1": "2" }, "price": 100.0,
        "genre": "GENRE_POETRY", "weight": 0.5, "checksum": "AAH/",
        "published": "2020-02-29T22:59:59Z", "pages": 3, "rating": 0, "publisher": { "name": "P" },
    });
    assert_eq!(normal(&book), normal(&want));
}

/// With every number as a float, so that `100` and `100.0` are equal.
fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().unwrap()),
        Value::Array(list) => list.iter().map(normal).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), normal(value))).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn body_with_an_unknown_field_is_400_and_names_it() {
    let message = refused("{\"title\":\"T\",\n \"publisher\":{\"colour\":1}}").await;
    assert!(message.contains("colour") && message.contains("publisher"), "{message}");
    assert!(message.contains("line 2"), "{message}");
}

#[tokio::test]
async fn body_with_an_unknown_field_is_taken_by_policy() {
    let rig = Rig::with_policy("unknown_fields: ignore").await;
    let book = rig.send("POST", SHELF, r#"{"title":"T","colour":{"a":[1]}}"#).await.json();
    assert_eq!(book["title"], "T");
    rig.send("POST", SHELF, r#"{"title":"U","colour":{"a":[1}}"#).await.refusal(400, 3);
}

#[tokio::test]
async fn body_of_the_wrong_type_is_400_with_its_path() {
    for (json, path) in [
        (r#"{"pages":"many"}"#, "$.pages"),
        (r#"{"pages":1.5}"#, "$.pages"),
        (r#"{"pages":2147483648}"#, "$.pages"),
        (r#"{"tags":["a",1]}"#, "$.tags[1]"),
        (r#"{"notes":{"a":[]}}"#, "$.notes"),
        (r#"{"publisher":{"name":7}}"#, "$.publisher.name"),
        (r#"{"publisher":[]}"#, "$.publisher"),
        (r#"{"published":"yesterday"}"#, "$.published"),
        (r#"{"genre":"GENRE_NONE"}"#, "$.genre"),
        (r#"{"checksum":"%"}"#, "$.checksum"),
        (r#"{"position":1,"lentTo":"x"}"#, "lentTo"),
        (r#"{"title":"a","title":"b"}"#, "title"),
        (r#"{"title":null,"tags":[null]}"#, "$.tags[0]"),
    ] {
        let message = refused(json).await;
        assert!(message.contains(path), "{json}: {message}");
    }
}

#[tokio::test]
async fn body_that_is_no_json_is_400_with_line_and_column() {
    for (json, line, column) in [
        ("{", 1, 2),
        ("{\"title\" \"a\"}", 1, 10),
        ("{\n  \"title\": \"a\",\n  oops\n}", 3, 3),
        ("{} {}", 1, 4),
        ("[]", 1, 1),
        ("\"text\"", 1, 1),
        ("{\"title\":\"a", 1, 12),
    ] {
        let message = refused(json).await;
        assert!(message.contains(&format!("line {line}")), "{json}: {message}");
        assert!(message.contains(&format!("column {column}")), "{json}: {message}");
    }
}

#[tokio::test]
async fn body_that_is_not_utf_8_is_400() {
    let rig = Rig::start().await;
    let headers = [("content-type", "application/json")];
    rig.request("POST", SHELF, &headers, b"{\"title\":\"\xff\"}").await.refusal(400, 3);
}

#[tokio::test]
async fn body_nested_past_the_limit_is_400() {
    let rig = Rig::with_policy("unknown_fields: ignore").await;
    for depth in [101, 10_000, 500_000] {
        let json = format!("{{\"title\":\"T\",\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        rig.send("POST", SHELF, &json).await.refusal(400, 3);
    }
    let json = format!("{{\"title\":\"T\",\"x\":{}{}}}", "[".repeat(90), "]".repeat(90));
    assert_eq!(rig.send("POST", SHELF, &json).await.status, 200);
}

#[tokio::test]
async fn body_that_is_empty_is_the_empty_message() {
    let rig = Rig::start().await;
    // The backend's own refusal of a code that is not set.
    let message = rig.send("POST", "/v1/fail", "").await.refusal(400, 3);
    assert!(message.contains("0 is not 1 to 16"), "{message}");
}

#[tokio::test]
async fn body_without_a_content_type_is_json() {
    let rig = Rig::start().await;
    rig.request("POST", "/v1/fail", &[], b"{\"code\":5}").await.refusal(404, 5);
    let headers = [("content-type", "application/json; charset=utf-8")];
    rig.request("POST", "/v1/fail", &headers, b"{\"code\":5}").await.refusal(404, 5);
}

#[tokio::test]
async fn body_of_another_type_is_415_with_what_is_taken() {
    let rig = Rig::start().await;
    let headers = [("content-type", "text/plain")];
    let response = rig.request("POST", "/v1/fail", &headers, b"{}").await;
    response.refusal(415, 3);
    assert!(response.header("accept-post").contains("application/json"));
    let path = "/v1/shelves/science/books/tides";
    let response = rig.request("PATCH", path, &headers, b"{}").await;
    response.refusal(415, 3);
    assert!(response.header("accept-patch").contains("application/json"));
    assert_eq!(rig.bookshelf.begun(), 0);
}

#[tokio::test]
async fn raw_bytes_go_both_ways_with_their_content_type() {
    let rig = Rig::start().await;
    let path = "/v1/shelves/science/books/tides/cover";
    let picture = [0, 159, 146, 150, b'\n', 0xff];
    let set = rig.request("PUT", path, &[("content-type", "image/png")], &picture).await;
    assert_eq!(set.ok()["name"], "shelves/science/books/tides");
    let cover = rig.get(path).await;
    assert_eq!((cover.status.as_u16(), cover.header("content-type")), (200, "image/png"));
    assert_eq!(cover.body, picture);
}

#[tokio::test]
async fn empty_answer_is_an_empty_object() {
    let rig = Rig::start().await;
    let deleted = rig.request("DELETE", "/v1/shelves/science/books/tides", &[], b"").await;
    assert_eq!(deleted.ok(), json!({}));
}

#[tokio::test]
async fn response_body_without_its_field_is_the_empty_value() {
    let rig = Rig::start().await;
    let none = rig.get("/v1/books:array?parent=shelves/nothing").await;
    assert_eq!(none.ok(), json!([]));
}
