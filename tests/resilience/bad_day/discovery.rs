//! A name server whose answers change, vanish and fail.

use std::net::Ipv4Addr;

use hickory_proto::op::ResponseCode;
use tokio::net::TcpListener;

use super::{CALLS, RETRY, survive};
use crate::{
    resilience::site::{Site, succeed},
    support::{
        backend,
        name_server::{Answer, NameServer},
    },
};

const NAME: &str = "bookshelf.test";

fn host(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, last)
}

fn hosts(last: &[u8]) -> Answer {
    Answer::Addresses(last.iter().map(|last| host(*last)).collect())
}

/// Backends at 127.0.0.1, .2 and .3 on the same port, which the name server knows, and a gateway.
async fn site() -> (NameServer, Site) {
    let server = NameServer::start().await;
    let mut port = 0;
    for last in 1..=3 {
        let listener = TcpListener::bind((host(last), port)).await.unwrap();
        port = listener.local_addr().unwrap().port();
        backend::http2_on(listener, |_, reply| succeed(reply));
    }
    server.say(NAME, hosts(&[1, 2, 3]));
    let upstream = format!(
        "bookshelf: {{ discovery: {{ dns: {{ name: {NAME}, port: {port}, resolvers: [\"{}\"], \
         min_ttl: 20ms }} }} }}",
        server.address
    );
    let site = Site::with(&upstream, &format!("\"bookshelf.v1.*\": {{ {RETRY} }}")).await;
    (server, site)
}

#[tokio::test]
async fn bad_day_dns_answers_that_change_fail_no_call() {
    let (server, site) = site().await;
    survive("DNS answers that change", &site.door(), async |load| {
        for last in [&[1, 2][..], &[3], &[2, 3], &[1], &[1, 2, 3]] {
            server.say(NAME, hosts(last));
            server.questions(4).await;
            load.calls(CALLS / 4).await;
        }
    })
    .await;
}

#[tokio::test]
async fn bad_day_dns_answers_that_vanish_fail_no_call() {
    let (server, site) = site().await;
    survive("DNS answers that vanish (NXDOMAIN, none)", &site.door(), async |load| {
        load.calls(CALLS / 2).await;
        for gone in [Answer::Failure(ResponseCode::NXDomain), hosts(&[])] {
            server.say(NAME, gone);
            server.questions(2).await;
            load.calls(CALLS / 2).await;
        }
    })
    .await;
}

#[tokio::test]
async fn bad_day_dns_that_fails_fails_no_call() {
    let (server, site) = site().await;
    survive("DNS that says SERVFAIL", &site.door(), async |load| {
        load.calls(CALLS / 2).await;
        server.say(NAME, Answer::Failure(ResponseCode::ServFail));
        server.questions(2).await;
        load.calls(CALLS / 2).await;
        server.say(NAME, hosts(&[2]));
        server.questions(2).await;
        load.calls(CALLS / 2).await;
    })
    .await;
}
