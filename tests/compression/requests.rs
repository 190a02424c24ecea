//! Request bodies that come packed: undone whole or as they arrive, and never beyond their bounds.

use serde_json::json;
use transom::coding::{Coding, Packer};

use super::prose;
use crate::support::{Response, Rig, http2};

const CREATE: &str = "/v1/shelves/fiction/books";
const IMPORT: &str = "/v1/shelves/imported/books:import";
const CHAT: &str = "/v1/shelves/science/books/tides:chat";
const COVER: &str = "/v1/shelves/science/books/tides/cover";
const DISCARD: &str = "/v1/shelves/science/books/tides/text?discard=true";

fn pack(plain: impl AsRef<[u8]>, coding: Coding) -> Vec<u8> {
    coding.pack(plain.as_ref()).unwrap().to_vec()
}

async fn send(
    rig: &Rig,
    (method, path): (&str, &str),
    kind: &str,
    encoding: &str,
    body: &[u8],
) -> Response {
    let headers = [("content-type", kind), ("content-encoding", encoding)];
    rig.request(method, path, &headers, body).await
}

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";

#[tokio::test]
async fn body_of_every_kind_comes_in_each_coding() {
    let rig = Rig::start().await;
    for coding in Coding::ALL {
        let name = coding.name();
        let create = &format!("/v1/shelves/{name}/books");
        let import = &format!("/v1/shelves/{name}/books:import");
        let body = pack(r#"{"title":"Packed"}"#, coding);
        let book = send(&rig, ("POST", create), JSON, name, &body).await.ok();
        assert_eq!(book["title"], "Packed", "{name}");

        let form = "application/x-www-form-urlencoded";
        let body = pack("title=By+form", coding);
        assert_eq!(send(&rig, ("POST", create), form, name, &body).await.ok()["title"], "By form");

        let body = pack("{\"book\":{\"title\":\"A\"}}\n{\"book\":{\"title\":\"B\"}}\n", coding);
        let imported = send(&rig, ("POST", import), LINES, name, &body).await.ok();
        assert_eq!(imported["imported"], 2, "{name}");

        let body = pack(b"\x89PNG", coding);
        send(&rig, ("PUT", COVER), "image/png", name, &body).await.ok();
        assert_eq!(rig.get(COVER).await.body, b"\x89PNG", "{name}");

        let body = pack(prose(3 << 20), coding);
        let written = send(&rig, ("PUT", DISCARD), "text/plain", name, &body).await.ok();
        assert_eq!(written["bytes"], (3 << 20).to_string(), "{name}");
    }
}

#[tokio::test]
async fn codings_are_undone_last_first_and_more_than_two_are_refused() {
    let rig = Rig::start().await;
    let once = pack(r#"{"title":"Twice"}"#, Coding::Gzip);
    let twice = pack(&once, Coding::Brotli);
    for (name, create) in
        [("gzip, br", "/v1/shelves/a/books"), ("GZIP , identity,, br", "/v1/shelves/b/books")]
    {
        assert_eq!(send(&rig, ("POST", create), JSON, name, &twice).await.ok()["title"], "Twice");
    }
    send(&rig, ("POST", CREATE), JSON, "br, gzip", &twice).await.refusal(400, 3);
    let thrice = pack(&twice, Coding::Zstd);
    send(&rig, ("POST", CREATE), JSON, "gzip, br, zstd", &thrice).await.refusal(415, 3);
}

#[tokio::test]
async fn coding_that_nobody_knows_is_415_and_told_which_are_known() {
    let rig = Rig::start().await;
    for name in ["compress", "aes128gcm", "gzip, nonsense"] {
        let response = send(&rig, ("POST", CREATE), JSON, name, b"{}").await;
        assert!(response.refusal(415, 3).contains("zstd,br,gzip,deflate"));
        assert_eq!(response.header("accept-encoding"), "zstd,br,gzip,deflate");
    }
    assert_eq!(rig.bookshelf.begun(), 0);
    let title = r#"{"title":"As it is"}"#;
    send(&rig, ("POST", CREATE), JSON, "identity", title.as_bytes()).await.ok();
}

#[tokio::test]
async fn body_that_is_damaged_cut_or_goes_on_is_400() {
    let rig = Rig::start().await;
    for coding in Coding::ALL {
        let name = coding.name();
        let whole = pack(format!(r#"{{"title":"{}"}}"#, prose(500)), coding);
        let cut = &whole[..whole.len() - 3];
        let longer = [&whole[..], b"and more"].concat();
        for bad in [cut, &longer[..], b"{\"title\":\"plain\"}"] {
            let message = send(&rig, ("POST", CREATE), JSON, name, bad).await.refusal(400, 3);
            assert!(message.contains(name), "{message}");
        }
        let lines = pack("{\"book\":{\"title\":\"A\"}}\n", coding);
        let cut = &lines[..lines.len() - 2];
        send(&rig, ("POST", IMPORT), LINES, name, cut).await.refusal(400, 3);
        // Nothing at all is nothing, whatever it says.
        let imported = send(&rig, ("POST", IMPORT), LINES, name, b"").await.ok();
        assert_eq!(imported, json!({}), "{name}");
    }
}

#[tokio::test]
async fn body_cut_at_each_byte_is_the_same_body() {
    let rig = Rig::start().await;
    let lines = "{\"book\":{\"title\":\"A é\"}}\n{\"book\":{\"title\":\"B\"}}\n";
    for coding in Coding::ALL {
        let body = pack(lines, coding);
        let headers = [("content-type", LINES), ("content-encoding", coding.name())];
        let mut connection = rig.http1().await;
        for cut in 1..body.len() {
            let import = format!("/v1/shelves/{}-{cut}/books:import", coding.name());
            connection.send_chunked_head("POST", &import, &headers).await;
            connection.send_chunk(&body[..cut]).await;
            connection.send_chunk(&body[cut..]).await;
            connection.send_chunk("").await;
            assert_eq!(connection.response().await.ok()["imported"], 2, "{coding:?} at {cut}");
        }
    }
}

#[tokio::test]
async fn message_that_unpacks_past_its_limit_is_413_and_costs_no_memory() {
    let rig = Rig::with_policy("max_request_message: 100000").await;
    let bomb = format!(r#"{{"title":"{}"}}"#, "a".repeat(32 << 20));
    for coding in Coding::ALL {
        let fits = pack(format!(r#"{{"title":"{}"}}"#, "a".repeat(90_000)), coding);
        let create = &format!("/v1/shelves/{}/books", coding.name());
        send(&rig, ("POST", create), JSON, coding.name(), &fits).await.ok();
        let bomb = pack(&bomb, coding);
        assert!(bomb.len() < 100_000, "{coding:?}");
        let before = rig.gateway.memory();
        for target in [("POST", CREATE), ("PUT", COVER), ("POST", IMPORT)] {
            let kind = if target.1 == IMPORT { LINES } else { JSON };
            send(&rig, target, kind, coding.name(), &bomb).await.refusal(413, 8);
        }
        let grown = rig.gateway.memory().saturating_sub(before);
        assert!(grown < 24 << 20, "{coding:?}: grew by {grown} bytes");
    }
}

#[tokio::test]
async fn stream_that_unpacks_to_far_more_than_came_is_413() {
    let rig = Rig::start().await;
    for coding in [Coding::Brotli, Coding::Zstd] {
        // Gigabytes of nothing would be kilobytes; some megabytes show it.
        let zeros = vec![b' '; 64 << 20];
        let bomb = pack(&zeros, coding);
        assert!(bomb.len() < 16 << 10, "{coding:?}: {}", bomb.len());
        let before = rig.gateway.memory();
        let response = send(&rig, ("PUT", DISCARD), "text/plain", coding.name(), &bomb).await;
        assert!(response.refusal(413, 8).contains("times their size"));
        let grown = rig.gateway.memory().saturating_sub(before);
        assert!(grown < 48 << 20, "{coding:?}: grew by {grown} bytes");
    }
    // What gzip can make of it is within the bound.
    let much = pack(vec![b' '; 64 << 20], Coding::Gzip);
    let written = send(&rig, ("PUT", DISCARD), "text/plain", "gzip", &much).await.ok();
    assert_eq!(written["bytes"], (64 << 20).to_string());
}

#[tokio::test]
async fn stream_that_is_flushed_is_heard_before_it_goes_on() {
    let rig = Rig::start().await;
    for coding in Coding::ALL {
        let mut connection = rig.http2().await;
        let headers =
            [("content-type", LINES), ("accept", LINES), ("content-encoding", coding.name())];
        let mut packer = Packer::new(coding).unwrap();
        let mut say = |word: &str| {
            packer.push(format!("{{\"text\":\"{word}\"}}\n").as_bytes()).unwrap();
            packer.flush().unwrap()
        };
        let mut stream = connection.open_stream("POST", CHAT, &headers, false).await;
        stream.send(say("one"), false);
        let (_, mut sending, mut body) = stream.head().await.unwrap();
        http2::text_until(&mut body, "one").await;
        for word in ["two", "three"] {
            sending.send_data(say(word), false).unwrap();
            http2::text_until(&mut body, word).await;
        }
        sending.send_data(packer.finish().unwrap(), true).unwrap();
        assert!(http2::data(&mut body).await.is_none_or(|data| data.unwrap().is_empty()));
    }
}
