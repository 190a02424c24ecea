//! A store that answers, and all the ways in which one doesn't.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};

use super::{Fault, Script, Settings, Store, line::WAITING, testing::Server};
use crate::{
    lasting::Lasting,
    meter::{Meter, Page},
    secret::Secret,
};

/// Far above what an answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// For an answer that nobody is there to give.
const MOMENT: Duration = Duration::from_millis(20);

fn store(settings: &Settings) -> Arc<Store> {
    Store::of(settings, Path::new(""), &Lasting::new()).unwrap()
}

/// Asks until the answer is what is waited for.
async fn until(store: &Store, wanted: impl Fn(&Result<Option<Vec<u8>>, Fault>) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = store.read(0, "key", PATIENCE).await;
        if wanted(&answer) {
            return;
        }
        assert!(Instant::now() < deadline, "{answer:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn store_reads_texts_and_runs_scripts_it_has_not_seen() {
    let server = Server::start(&[]).await;
    let store = store(&server.settings());
    assert_eq!(store.read(0, "key", PATIENCE).await, Ok(None));
    let script = Script::new("redis.call('SET', KEYS[1], ARGV[1]) return {tonumber(ARGV[1]), 7}");
    for number in [1, 2] {
        let answer = store.run(0, &script, &["key".into()], &[number], PATIENCE).await;
        assert_eq!(answer, Ok(vec![number, 7]));
    }
    assert_eq!(store.read(0, "key", PATIENCE).await, Ok(Some(b"2".to_vec())));
    // Another worker has another connection, to the same store.
    assert_eq!(store.read(1, "key", PATIENCE).await, Ok(Some(b"2".to_vec())));
    let list =
        Script::new("redis.call('LPUSH', 'list', '1') return redis.error_reply('MINE not now')");
    let answer = store.run(0, &list, &[], &[], PATIENCE).await;
    assert_eq!(answer, Err(Fault::Refused("MINE not now".into())));
    let answer = store.read(0, "list", PATIENCE).await;
    assert!(
        matches!(&answer, Err(Fault::Refused(told)) if told.starts_with("WRONGTYPE")),
        "{answer:?}"
    );
    let text = Script::new("return 'text'");
    let answer = store.run(0, &text, &[], &[], PATIENCE).await;
    assert!(matches!(&answer, Err(Fault::Refused(told)) if told.contains("a text")), "{answer:?}");
    // None of that has cost the connection.
    assert!(store.read(0, "key", PATIENCE).await.is_ok());
}

#[tokio::test]
async fn store_that_is_killed_is_away_at_once_and_found_again() {
    let mut server = Server::start(&[]).await;
    let store = store(&server.settings());
    until(&store, Result::is_ok).await;
    server.kill();
    until(&store, |answer| *answer == Err(Fault::Away)).await;
    server.begin().await;
    until(&store, Result::is_ok).await;
}

#[tokio::test]
async fn store_that_hangs_costs_one_call_its_patience() {
    let server = Server::start(&[]).await;
    let lasting = Lasting::new();
    let meter = Meter::of(&lasting, []);
    let store = Store::of(&server.settings(), Path::new(""), &lasting).unwrap();
    until(&store, Result::is_ok).await;
    server.signal("STOP");
    assert_eq!(store.read(0, "key", MOMENT).await, Err(Fault::Late));
    for _ in 0..1000 {
        assert_eq!(store.read(0, "key", PATIENCE).await, Err(Fault::Away));
    }
    server.signal("CONT");
    until(&store, Result::is_ok).await;
    let mut page = Page::default();
    meter.tell(&mut page);
    let page = page.text();
    let counts = |outcome: &str, count: &str| {
        let line = page.lines().find(|line| line.contains(&format!("outcome=\"{outcome}\"")));
        assert!(line.is_some_and(|line| line.ends_with(count)), "{outcome}: {page}");
    };
    counts("late", " 1");
    counts("busy", " 0");
}

#[tokio::test]
async fn store_is_logged_in_to_and_its_password_never_shown() {
    let server = Server::start(&["--requirepass", "hunter2"]).await;
    let mut settings = server.settings();
    let refused = store(&settings).read(0, "key", PATIENCE).await.unwrap_err();
    assert!(refused.to_string().contains("NOAUTH"), "{refused}");
    settings.password = Some(Secret::from(""));
    assert_eq!(store(&settings).read(0, "key", PATIENCE).await, Err(refused));
    settings.password = Some(Secret::from("wrong"));
    assert_eq!(store(&settings).read(0, "key", PATIENCE).await, Err(Fault::Away));
    settings.password = Some(Secret::from("hunter2"));
    let lasting = Lasting::new();
    let store = Store::of(&settings, Path::new(""), &lasting).unwrap();
    until(&store, Result::is_ok).await;
    for shown in [format!("{settings:?} {store:?} {lasting:?}"), store.shown().to_owned()] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn store_of_the_same_terms_is_the_same_one() {
    let lasting = Lasting::new();
    let of = |url: &str| Store::of(&Settings::at(url), Path::new(""), &lasting).unwrap();
    let one = of("redis://:a@127.0.0.1:1");
    assert!(Arc::ptr_eq(&one, &of("redis://:a@127.0.0.1:1")));
    assert!(!Arc::ptr_eq(&one, &of("redis://:b@127.0.0.1:1")));
    assert!(!Arc::ptr_eq(&one, &of("redis://:a@127.0.0.1:1/2")));
}

/// A peer that does something else than a store would.
async fn peer(answer: &'static [u8]) -> Settings {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = Settings::at(&format!("redis://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut read = [0; 1024];
                while stream.read(&mut read).await.is_ok_and(|length| length > 0) {
                    if answer.is_empty() || stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    settings
}

#[tokio::test]
async fn peers_that_are_no_store_are_away_and_harm_nobody() {
    // It hangs up, speaks HTTP, breaks off in the middle of an answer.
    for answer in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$100\r\nhalf"] {
        let mut settings = peer(answer).await;
        settings.connect_timeout = MOMENT;
        let store = store(&settings);
        let outcome = store.read(0, "key", MOMENT).await;
        assert!(outcome.is_err(), "{outcome:?}");
    }
    let nobody = store(&Settings::at("redis://127.0.0.1:1"));
    assert_eq!(nobody.read(0, "key", PATIENCE).await, Err(Fault::Away));
}

#[test]
fn settings_that_can_t_be_are_told_without_the_password() {
    let told = |settings: &Settings| {
        let (path, message) = Store::of(settings, Path::new(""), &Lasting::new()).unwrap_err();
        assert!(!message.contains("hunter2"), "{message}");
        format!("{path}: {message}")
    };
    for url in [
        "http://:hunter2@host",
        "redis://:hun/ter2@hunter2@host:port",
        "redis://:hunter2@",
        "redis://u:hunter2@host/x",
        "redis://h?password=a",
        "unix:",
        "unix:/a?pass=hunter2",
        "host:6379",
    ] {
        assert!(told(&Settings::at(url)).starts_with("url: "), "{url}");
    }
    let mut twice = Settings::at("redis://:hunter2@host");
    twice.password = Some(Secret::from("hunter2"));
    assert!(told(&twice).starts_with("password: "));
    let mut named = Settings::at("redis://host");
    named.username = Some("me".into());
    assert!(told(&named).starts_with("username: "));
    let mut trusting = Settings::at("redis://host");
    trusting.ca = Some("ca.pem".into());
    assert!(told(&trusting).starts_with("ca: "));
    trusting.url = super::Url("rediss://host".into());
    assert!(told(&trusting).contains("can't be read"));
    let mut hasty = Settings::at("redis://host");
    hasty.connect_timeout = Duration::ZERO;
    assert!(told(&hasty).starts_with("connect_timeout: "));
    let mut hasty = Settings::at("redis://host");
    hasty.answer_timeout = Some(Duration::ZERO);
    assert!(told(&hasty).starts_with("answer_timeout: "));
}

#[tokio::test]
async fn calls_beyond_those_that_may_wait_are_refused_at_once() {
    const CALLS: usize = 5000;
    let server = Server::start(&[]).await;
    let store = store(&server.settings());
    until(&store, Result::is_ok).await;
    server.signal("STOP");
    let mut calls: FuturesUnordered<_> =
        (0..CALLS).map(|_| store.read(0, "key", PATIENCE)).collect();
    for _ in WAITING..CALLS {
        assert_eq!(calls.next().await, Some(Err(Fault::Busy)));
    }
    server.signal("CONT");
    for _ in 0..WAITING {
        assert_eq!(calls.next().await, Some(Ok(None)));
    }
}

#[tokio::test]
async fn store_with_tls_is_trusted_by_its_authority_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(file("ca.pem"), issuer.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    std::fs::write(file("own.pem"), params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    std::fs::write(file("own.key"), key.serialize_pem()).unwrap();
    let stranger = CertifiedIssuer::self_signed(
        CertificateParams::new(Vec::new()).unwrap(),
        KeyPair::generate().unwrap(),
    );
    std::fs::write(file("stranger.pem"), stranger.unwrap().pem()).unwrap();
    // Free a moment ago: nobody else asks for a port of that number now.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let _server = Server::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &file("own.pem"),
        "--tls-key-file",
        &file("own.key"),
        "--tls-ca-cert-file",
        &file("ca.pem"),
        "--tls-auth-clients",
        "no",
        "--requirepass",
        "hunter2",
    ])
    .await;
    let mut settings = Settings::at(&format!("rediss://default:hunter2@localhost:{port}/1"));
    settings.connect_timeout = PATIENCE;
    settings.ca = Some(file("ca.pem").into());
    until(&store(&settings), Result::is_ok).await;
    settings.ca = Some(file("stranger.pem").into());
    assert_eq!(store(&settings).read(0, "key", PATIENCE).await, Err(Fault::Away));
    // The certificate is for another name, and one without TLS isn't understood.
    settings.ca = Some(file("ca.pem").into());
    settings.url = super::Url(format!("rediss://default:hunter2@127.0.0.1:{port}"));
    assert_eq!(store(&settings).read(0, "key", PATIENCE).await, Err(Fault::Away));
    settings.ca = None;
    settings.url = super::Url(format!("redis://default:hunter2@localhost:{port}"));
    assert_eq!(store(&settings).read(0, "key", PATIENCE).await, Err(Fault::Away));
}
