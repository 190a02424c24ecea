//! Limits before a gateway as users run it: before and behind `auth`, by plan, over reloads, in
//! metrics, and for as long as streams live.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use transom::stage::auth::api_key::key::{self, Key};

use crate::{
    support::{Response, Rig, document, http1, operated::Operated, within},
    websocket::client::Session,
};

const BOOK: &str = "/v1/shelves/fiction/books/letters";
const CHAT: &str = "/v1/shelves/science/books/tides:chat";

/// A file of keys with these plans, and the keys.
fn keys(folder: &std::path::Path, plans: &[Option<&str>]) -> (String, Vec<String>) {
    let keys: Vec<String> = plans.iter().map(|_| key::make().unwrap()).collect();
    let entry = |(text, plan): (&String, &Option<&str>)| {
        let key = Key::read(text).unwrap();
        json!({ "id": key.id, "hashes": [key.hash().to_string()], "plan": plan })
    };
    let entries: Vec<Value> = keys.iter().zip(plans).map(entry).collect();
    let file = folder.join("keys.json");
    std::fs::write(&file, json!({ "keys": entries }).to_string()).unwrap();
    (file.to_str().unwrap().to_owned(), keys)
}

async fn get(rig: &Rig, key: &str) -> Response {
    rig.request("GET", BOOK, &[("x-api-key", key)], b"").await
}

#[tokio::test]
async fn rate_limit_guesses_of_keys_are_refused_before_they_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let (file, keys) = keys(folder.path(), &[None]);
    let rig = Rig::with_policy(&format!(
        "auth: {{ any_of: [{{ api_key: {{ file: {file} }} }}] }}, rate_limit: {{ limits: {{ \
         per_address: {{ rate: 3/h, key: address }}, per_key: {{ rate: 1/h, key: api_key }} }} }}"
    ))
    .await;
    for left in ["2", "1"] {
        let guess = get(&rig, &key::make().unwrap()).await;
        guess.refusal(401, 16);
        let told = format!("\"per_address\";r={left};t=");
        assert!(guess.header("ratelimit").starts_with(&told), "{guess:?}");
    }
    // Guesses have cost the key nothing.
    let good = get(&rig, &keys[0]).await;
    assert_eq!(good.status, 200, "{good:?}");
    let told: Vec<_> = good.headers.get_all("ratelimit").iter().collect();
    assert_eq!(told.len(), 2, "both stages have told: {told:?}");
    let message = "too many calls: the limit `per_address` allows 3 in 1h; try again in ";
    for key in [&keys[0], "nonsense"] {
        let refused = get(&rig, key).await;
        assert!(refused.refusal(429, 8).starts_with(message), "{refused:?}");
        assert!((1100..=1200).contains(&refused.header("retry-after").parse::<u32>().unwrap()));
    }
    assert_eq!(rig.bookshelf.begun(), 1);
}

#[tokio::test]
async fn rate_limit_plans_are_those_that_the_keys_name() {
    let folder = tempfile::tempdir().unwrap();
    let (file, keys) = keys(folder.path(), &[Some("free"), Some("gold"), None, Some("lead")]);
    let rig = Rig::with_policy(&format!(
        "auth: {{ any_of: [{{ api_key: {{ file: {file} }} }}] }}, rate_limit: {{ plans: {{ free: {{ \
         monthly: {{ quota: 1/month }} }}, gold: {{ monthly: {{ quota: 3/month }} }} }}, \
         default_plan: free }}"
    ))
    .await;
    for (key, quota) in keys.iter().zip([1, 3, 1, 1]) {
        for left in (0..quota).rev() {
            let answer = get(&rig, key).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(answer.header("ratelimit").contains(&format!(".monthly\";r={left};t=")));
        }
        let refused = get(&rig, key).await;
        assert!(refused.refusal(429, 8).starts_with("the quota is used up"), "{refused:?}");
    }
}

/// Services with a limit of so many calls an hour.
fn hourly(most: u32, more: &str) -> String {
    format!(
        "services:\n  \"*\": {{ rate_limit: {{ limits: {{ all: {{ rate: {most}/h }} }} }} }}\n{more}"
    )
}

async fn ask(operated: &Operated) -> u16 {
    http1::request(operated.gateway.address, "GET", BOOK, &[], b"").await.status.into()
}

#[tokio::test]
async fn rate_limit_counts_outlive_a_reload() {
    let operated = Operated::start(&hourly(3, "")).await;
    assert_eq!([ask(&operated).await, ask(&operated).await], [200, 200]);
    // A policy of some other method is another configuration, with the same limit.
    let more = "  \"bookshelf.v1.Bookshelf.ListBooks\": { timeout: 1s }\n";
    operated.write("transom.yaml", operated.configuration() + &hourly(3, more));
    assert_eq!(operated.reload().await["result"], "taken");
    assert_eq!([ask(&operated).await, ask(&operated).await], [200, 429]);
}

#[tokio::test]
async fn rate_limit_methods_share_a_limit_and_cost_what_they_say() {
    let more = "  \"bookshelf.v1.Bookshelf.ListBooks\": { rate_limit: { cost: 3 } }\n";
    let operated = Operated::start(&hourly(5, more)).await;
    let list = || http1::request(operated.gateway.address, "GET", "/v1/books", &[], b"");
    let first = list().await;
    assert!(first.header("ratelimit").starts_with("\"all\";r=2;t="), "{first:?}");
    list().await.refusal(429, 8);
    assert_eq!([ask(&operated).await, ask(&operated).await, ask(&operated).await], [200, 200, 429]);
}

#[tokio::test]
async fn rate_limit_of_a_more_specific_selector_is_one_of_its_own() {
    let more = "  \"bookshelf.v1.Bookshelf.ListBooks\":\n    rate_limit: { limits: { all: null, own: { \
                rate: 1/h } } }\n";
    let operated = Operated::start(&hourly(1, more)).await;
    let list = || http1::request(operated.gateway.address, "GET", "/v1/books", &[], b"");
    assert_eq!([ask(&operated).await, ask(&operated).await], [200, 429]);
    assert!(list().await.header("ratelimit").starts_with("\"own\";r=0"));
    list().await.refusal(429, 8);
}

#[tokio::test]
async fn rate_limit_is_counted_by_name_and_outcome() {
    let operated = Operated::start(
        "services:\n  \"*\":\n    rate_limit:\n      limits:\n        real: { rate: 3/h }\n        \
         maybe: { rate: 1/h, shadow: true }\n",
    )
    .await;
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(ask(&operated).await);
    }
    assert_eq!(told, [200, 200, 200, 429]);
    let page = operated.metrics().await;
    for sample in [
        r#"transom_rate_limit_calls_total{limit="real",result="allowed"} 3"#,
        r#"transom_rate_limit_calls_total{limit="real",result="limited"} 1"#,
        r#"transom_rate_limit_calls_total{limit="maybe",result="allowed"} 1"#,
        r#"transom_rate_limit_crowded_total{limit="real"} 0"#,
    ] {
        assert!(page.lines().any(|line| line == sample), "no `{sample}` in\n{page}");
    }
    let shadowed = r#"transom_rate_limit_calls_total{limit="maybe",result="shadowed"}"#;
    assert!(page.contains(shadowed), "{page}");
}

#[tokio::test]
async fn rate_limit_by_a_field_counts_what_the_message_says() {
    let operated = Operated::start(
        "services:\n  \"bookshelf.v1.Bookshelf.GetBook\":\n    rate_limit: { limits: { by_name: { rate: \
         1/h, key: { field: name } } } }\n  \"bookshelf.v1.Bookshelf.Chat\":\n    rate_limit: { limits: \
         { by_book: { rate: 1/h, key: { field: book } } } }\n",
    )
    .await;
    let other = "/v1/shelves/science/books/tides";
    let get = |path: &'static str| http1::request(operated.gateway.address, "GET", path, &[], b"");
    for (path, status) in [(BOOK, 200), (other, 200), (BOOK, 429), (other, 429)] {
        assert_eq!(get(path).await.status, status, "{path}");
    }
    // Of a stream it is the first message, which the backend gets all the same.
    let address = operated.gateway.address;
    let mut session = Session::open(address, CHAT).await;
    for text in ["one", "two"] {
        session.send(json!({ "text": text }).to_string()).await;
        assert_eq!(session.json().await["text"], text);
    }
    let mut refused = Session::open(address, CHAT).await;
    refused.send("{\"text\":\"three\"}").await;
    assert_eq!(close_code(&mut refused).await, 4008);
}

#[tokio::test]
async fn rate_limit_by_a_field_that_a_method_lacks_is_a_problem() {
    let operated = Operated::start("").await;
    let policy =
        "services: { '*': { rate_limit: { limits: { a: { rate: 1/h, key: { field: isbn } } } } } }";
    operated.write("transom.yaml", operated.configuration() + policy + "\n");
    let told = operated.reload().await;
    assert_eq!(told["result"], "failed", "{told}");
    assert!(told.to_string().contains("isbn"), "{told}");
    let mends = told["problems"][0]["mend"].as_str().unwrap();
    assert!(mends.contains("selector of methods that have the field"), "{told}");
}

async fn close_code(session: &mut Session) -> u16 {
    loop {
        if let Message::Close(close) = session.next().await {
            return close.unwrap().code.into();
        }
    }
}

#[tokio::test]
async fn rate_limit_session_is_in_flight_until_it_is_closed() {
    let rig =
        Rig::with_policy("rate_limit: { limits: { sessions: { concurrency: 1, key: address } } }")
            .await;
    let mut first = Session::open(rig.gateway.address, CHAT).await;
    first.send("{\"text\":\"hello\"}").await;
    assert_eq!(first.json().await["text"], "hello");
    let mut second = Session::open(rig.gateway.address, CHAT).await;
    assert_eq!(close_code(&mut second).await, 4008);
    assert_eq!(rig.get(BOOK).await.status, 429, "a call is a call");
    first.half_close().await;
    assert_eq!(close_code(&mut first).await, 1000);
    // The place is free once the gateway has seen the end, which the caller may see before.
    let waiting = async { while rig.get(BOOK).await.status != 200 {} };
    within("a place for the call", waiting).await;
}

#[tokio::test]
async fn rate_limit_caller_that_leaves_a_stream_gives_its_place_back() {
    let rig =
        Rig::with_policy("rate_limit: { limits: { streams: { concurrency: 1, key: address } } }")
            .await;
    let mut session = Session::open(rig.gateway.address, CHAT).await;
    session.send("{\"text\":\"hello\"}").await;
    assert_eq!(session.json().await["text"], "hello");
    assert_eq!(rig.get(BOOK).await.status, 429);
    // As a process that ends does: without a close frame.
    drop(session);
    let waiting = async { while rig.get(BOOK).await.status != 200 {} };
    within("a place for the call", waiting).await;
}

#[tokio::test]
async fn rate_limit_example_of_the_readme_limits() {
    let blocks = document::blocks("README.md");
    let block =
        blocks.iter().find(|block| block.kind == "yaml" && block.text.contains("rate_limit"));
    let operated = Operated::start(&block.expect("an example").text).await;
    let answer = http1::request(operated.gateway.address, "GET", BOOK, &[], b"").await;
    let policies: Vec<_> = answer
        .headers
        .get_all("ratelimit-policy")
        .iter()
        .map(|one| one.to_str().unwrap())
        .collect();
    // The limits that are asked last tell first.
    let policy = "\"per_caller\";q=60;w=360, \"free.daily\";q=1000;w=86400, \
                  \"streams\";q=20;qu=\"concurrent-requests\" | \"per_address\";q=100;w=300";
    assert_eq!(policies.join(" | "), policy);
    let delete = || http1::request(operated.gateway.address, "DELETE", BOOK, &[], b"");
    assert_eq!(delete().await.status, 200);
    let message = "too many calls: the limit `per_caller` allows 60 in 6m; try again in ";
    assert!(delete().await.refusal(429, 8).starts_with(message));
}
