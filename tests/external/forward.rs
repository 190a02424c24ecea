//! Forward-auth: a service that speaks plain HTTP.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::BOOK;
use crate::support::Rig;

/// A service that answers by the path that is called, and notes what it was asked.
#[derive(Clone)]
struct Service {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

const PASS: &str = "HTTP/1.1 204 No Content\r\nx-echo-user: ada\r\nx-echo-other: unlisted\r\n\
                    set-cookie: seen=1\r\nx-inner: no\r\nconnection: close\r\n\r\n";
const DENY: &str = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"books\"\r\n\
                    x-inner: no\r\ncontent-length: 9\r\nconnection: close\r\n\r\nno ticket";
const LOGIN: &str = "HTTP/1.1 302 Found\r\nlocation: https://login.example/\r\n\
                     content-length: 0\r\nconnection: close\r\n\r\n";
const BROKEN: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let serving = service.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serving.clone().answer(socket));
            }
        });
        service
    }

    async fn answer(self, mut socket: TcpStream) {
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break String::from_utf8(bytes[..end].to_vec()).unwrap();
            }
            match socket.read_buf(&mut bytes).await {
                Ok(1..) => {}
                _ => return,
            }
        };
        let please = value(&head, "x-please").unwrap_or_default();
        self.asked.lock().unwrap().push(head);
        let answer = match &*please {
            "pass" => PASS,
            "login" => LOGIN,
            "break" => BROKEN,
            "vanish" => return,
            _ => DENY,
        };
        // The gateway may have gone.
        let _ = socket.write_all(answer.as_bytes()).await;
    }

    fn last(&self) -> String {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

/// A header of a request's head.
fn value(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

async fn rig(service: &Service, more: &str) -> Rig {
    let url = format!("http://{}/check", service.address);
    let policy = format!(
        "ext_authz: {{ http: {{ url: \"{url}\", allow_http: true{more} }}, timeout: 20s, \
         send_headers: [x-please, authorization], headers_to_backend: [x-echo-user] }}"
    );
    Rig::with_policy(&policy).await
}

#[tokio::test]
async fn forward_auth_passes_refuses_and_redirects_as_the_service_says() {
    let service = Service::start().await;
    let rig = rig(&service, "").await;
    let made_up = [("x-please", "pass"), ("x-echo-user", "root"), ("x-forwarded-uri", "/other")];
    let response = rig.request("GET", BOOK, &made_up, b"").await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("x-echo-user"), "ada");
    assert_eq!(response.header("set-cookie"), "seen=1");
    for unlisted in ["x-echo-other", "x-inner"] {
        assert!(!response.headers.contains_key(unlisted), "{unlisted}");
    }
    let asked = service.last();
    assert!(asked.starts_with("GET /check HTTP/1.1\r\n"), "{asked}");
    assert_eq!(value(&asked, "x-forwarded-uri").unwrap(), BOOK);
    assert_eq!(value(&asked, "x-forwarded-method").unwrap(), "GET");
    assert_eq!(value(&asked, "x-forwarded-for").unwrap(), "127.0.0.1");
    assert_eq!(value(&asked, "x-echo-user"), None, "only what is listed is sent");

    let denied = rig.request("GET", BOOK, &[("x-please", "no")], b"").await;
    assert_eq!(denied.refusal(401, 16), "no ticket");
    assert_eq!(denied.header("www-authenticate"), "Basic realm=\"books\"");
    assert!(!denied.headers.contains_key("x-inner"));
    let redirected = rig.request("GET", BOOK, &[("x-please", "login")], b"").await;
    redirected.refusal(302, 16);
    assert_eq!(redirected.header("location"), "https://login.example/");
    for please in ["break", "vanish"] {
        rig.request("GET", BOOK, &[("x-please", please)], b"").await.refusal(503, 14);
    }
    assert_eq!(rig.bookshelf.begun(), 1);
}

#[tokio::test]
async fn forward_auth_is_asked_as_called_where_that_is_set() {
    let service = Service::start().await;
    let rig = rig(&service, ", as_called: true").await;
    let path = format!("{BOOK}?name=other");
    let response = rig.request("GET", &path, &[("x-please", "pass")], b"").await;
    assert_eq!(response.status, 200, "{response:?}");
    let asked = service.last();
    assert!(asked.starts_with(&format!("GET /check{path} HTTP/1.1\r\n")), "{asked}");
}
