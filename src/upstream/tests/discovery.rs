//! Discovery: by a name server whose answers change, vanish and fail, and by a file.

use std::{
    collections::HashMap,
    sync::{Mutex, atomic::AtomicU32},
};

use hickory_proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{
        Name, RData, Record,
        rdata::{A, SRV},
    },
};
use tokio::net::UdpSocket;

use super::*;
use crate::{
    error::Code,
    upstream::{ClusterState, Discovery, Dns, Scheme, Srv, WatchedFile, discovery::finder},
};

/// What a name server answers.
#[derive(Clone)]
enum Answer {
    Records(Vec<RData>),
    Failure(ResponseCode),
    /// Nothing at all.
    Silence,
}

/// A name server on loopback. It knows the names that it was told; of others it says that they
/// don't exist.
#[derive(Clone)]
struct NameServer {
    address: SocketAddr,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    asked: Arc<AtomicUsize>,
    /// For how long its answers are good, in seconds.
    time_to_live: Arc<AtomicU32>,
}

impl NameServer {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let server = Self {
            address,
            answers: Arc::default(),
            asked: Arc::default(),
            time_to_live: Arc::default(),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let question = Message::from_vec(&buffer[..length]).unwrap();
                if let Some(answer) = serving.answer(&question) {
                    socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
                }
            }
        });
        server
    }

    fn answer(&self, question: &Message) -> Option<Message> {
        let query = question.queries[0].clone();
        let name = query.name().to_utf8();
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        let unknown = Answer::Failure(ResponseCode::NXDomain);
        let known = self.answers.lock().unwrap().get(name.trim_end_matches('.')).cloned();
        self.asked.fetch_add(1, SeqCst);
        match known.unwrap_or(unknown) {
            Answer::Silence => return None,
            Answer::Failure(code) => answer.metadata.response_code = code,
            Answer::Records(records) => {
                let fitting = records.into_iter().filter(|r| r.record_type() == query.query_type());
                let time = self.time_to_live.load(SeqCst);
                let record = |data| Record::from_rdata(query.name().clone(), time, data);
                answer.add_answers(fitting.map(record).collect::<Vec<_>>());
            }
        }
        answer.add_query(query);
        Some(answer)
    }

    fn set(&self, name: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(name.to_owned(), answer);
    }

    /// Waits until it has been asked again, and the answer to that must have been read.
    async fn asked_again(&self) {
        let before = self.asked.load(SeqCst);
        let asked = async {
            while self.asked.load(SeqCst) < before + 6 {
                tokio::task::yield_now().await;
            }
        };
        soon(asked).await;
    }
}

fn a(last: u8) -> RData {
    RData::A(A::new(127, 0, 0, last))
}

/// A backend at 127.0.0.x on this port.
async fn backend_at(last: u8, port: u16) -> SocketAddr {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, last], port))).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut connection) = h2::server::handshake(socket).await else { return };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(echo(request, respond));
                }
            });
        }
    });
    address
}

const NAME: &str = "bookshelf.test";

/// Soon, so that a test needn't wait.
const OFTEN: Duration = Duration::from_millis(20);

fn dns(server: &NameServer, port: u16) -> Settings {
    let dns = Dns {
        name: NAME.into(),
        port,
        scheme: Scheme::Http,
        resolvers: vec![server.address],
        min_ttl: OFTEN,
    };
    Settings { discovery: Some(Discovery::Dns(dns)), ..Settings::default() }
}

/// Waits until the cluster's state is so.
async fn until(cluster: &Cluster, is_so: impl Fn(&ClusterState) -> bool) {
    let reached = async {
        while !is_so(&cluster.state()) {
            tokio::task::yield_now().await;
        }
    };
    soon(reached).await;
}

fn addresses(state: &ClusterState) -> Vec<&str> {
    state.endpoints.iter().map(|endpoint| endpoint.address.as_str()).collect()
}

#[tokio::test]
async fn answers_that_change_change_the_set_and_lose_no_call() {
    let server = NameServer::start().await;
    let port = backend_at(1, 0).await.port();
    backend_at(2, port).await;
    backend_at(3, port).await;
    server.set(NAME, Answer::Records(vec![a(1), a(2)]));
    let cluster = cluster_with(dns(&server, port));
    // The first call waits for the first answer.
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    let named = |last: &[u8]| -> Vec<String> {
        last.iter().map(|last| format!("127.0.0.{last}:{port}")).collect()
    };
    assert_eq!(addresses(&cluster.state()), named(&[1, 2]));
    let calling = cluster.clone();
    let caller = tokio::spawn(async move {
        for _ in 0..300 {
            assert_eq!(message(calling.call(unary()).await).await, "ask");
            tokio::task::yield_now().await;
        }
    });
    for set in [&[2, 3][..], &[1], &[1, 2, 3]] {
        server.set(NAME, Answer::Records(set.iter().map(|last| a(*last)).collect()));
        until(&cluster, |state| addresses(state) == named(set)).await;
    }
    soon(caller).await.unwrap();
}

#[tokio::test]
async fn answers_that_fail_keep_the_last_set() {
    let server = NameServer::start().await;
    let port = backend_at(1, 0).await.port();
    server.set(NAME, Answer::Records(vec![a(1)]));
    let cluster = cluster_with(dns(&server, port));
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    for failing in [
        Answer::Failure(ResponseCode::ServFail),
        Answer::Failure(ResponseCode::NXDomain),
        Answer::Records(Vec::new()),
    ] {
        server.set(NAME, failing);
        until(&cluster, |state| state.discovery_failure.is_some()).await;
        assert_eq!(cluster.state().endpoints.len(), 1);
        assert_eq!(message(call(&cluster, unary()).await).await, "ask");
        server.set(NAME, Answer::Records(vec![a(1)]));
        until(&cluster, |state| state.discovery_failure.is_none()).await;
    }
}

#[tokio::test]
async fn answer_is_good_as_long_as_its_records_tell() {
    let server = NameServer::start().await;
    server.set(NAME, Answer::Records(vec![a(1), a(2)]));
    let settings = dns(&server, 1).discovery.unwrap();
    let (_, mut finder) = finder(&settings).unwrap();
    // Of the records' time a little has passed; the least and the longest are exact.
    for (seconds, least, most) in [(0, 0, 1), (1, 0, 1), (60, 55, 60), (100_000, 3600, 3600)] {
        server.time_to_live.store(seconds, SeqCst);
        let found = soon(finder.find()).await.unwrap();
        let good_for = found.good_for;
        let told = Duration::from_secs(least)..=Duration::from_secs(most);
        assert!(good_for >= OFTEN && told.contains(&good_for), "{seconds}: {good_for:?}");
        assert_eq!(found.located.len(), 2);
    }
}

#[tokio::test]
async fn name_that_never_resolved_is_unavailable_until_it_does() {
    let server = NameServer::start().await;
    let port = backend_at(1, 0).await.port();
    let cluster = cluster_with(dns(&server, port));
    let error = failing(&cluster, unary()).await;
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "upstream_unresolved"));
    assert!(!error.message().contains(NAME), "{error}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains(NAME), "{source}");
    server.set(NAME, Answer::Records(vec![a(1)]));
    until(&cluster, |state| !state.endpoints.is_empty()).await;
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
}

#[tokio::test]
async fn silent_name_server_ends_a_call_with_its_deadline() {
    let server = NameServer::start().await;
    server.set(NAME, Answer::Silence);
    let cluster = cluster_with(dns(&server, 1));
    let mut exchange = unary();
    exchange.deadline = Some(tokio::time::Instant::now() + Duration::from_millis(50));
    assert_eq!(failing(&cluster, exchange).await.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn last_answer_outlives_the_configuration() {
    let server = NameServer::start().await;
    let port = backend_at(1, 0).await.port();
    server.set(NAME, Answer::Records(vec![a(1)]));
    let lasting = Lasting::new();
    let settings = dns(&server, port);
    let first = Cluster::new("test", &settings, 1, &lasting).unwrap();
    assert_eq!(message(call(&first, unary()).await).await, "ask");
    server.set(NAME, Answer::Failure(ResponseCode::ServFail));
    until(&first, |state| state.discovery_failure.is_some()).await;
    let second = Cluster::new("test", &settings, 1, &lasting).unwrap();
    drop(first);
    assert_eq!(second.state().endpoints.len(), 1);
    assert_eq!(message(call(&second, unary()).await).await, "ask");
}

#[tokio::test]
async fn srv_records_tell_ports_weights_and_priorities() {
    let server = NameServer::start().await;
    let (one, two) = (backend_at(1, 0).await, backend_at(1, 0).await);
    let spare = backend_at(1, 0).await;
    let name = "_grpc._tcp.bookshelf.test";
    let host = |name: &str| Name::from_utf8(name).unwrap();
    let record =
        |priority, weight, port| RData::SRV(SRV::new(priority, weight, port, host("node.test.")));
    server.set("node.test", Answer::Records(vec![a(1)]));
    server.set(
        name,
        Answer::Records(vec![
            record(10, 3, one.port()),
            record(10, 1, two.port()),
            record(20, 1, spare.port()),
        ]),
    );
    let srv = Srv {
        name: name.into(),
        scheme: Scheme::Http,
        resolvers: vec![server.address],
        min_ttl: OFTEN,
    };
    let settings = Settings { discovery: Some(Discovery::Srv(srv)), ..Settings::default() };
    let cluster = cluster_with(settings);
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    let state = cluster.state();
    let told = |port: u16| {
        let name = format!("127.0.0.1:{port}");
        let found = state.endpoints.iter().find(|endpoint| endpoint.address == name).unwrap();
        (found.weight, found.priority, found.in_use)
    };
    assert_eq!(told(one.port()), (3, 10, true));
    assert_eq!(told(two.port()), (1, 10, true));
    assert_eq!(told(spare.port()), (1, 20, false));
    // A host that can't be resolved for now takes nothing away.
    server.set("node.test", Answer::Failure(ResponseCode::ServFail));
    server.asked_again().await;
    assert_eq!(cluster.state().endpoints.len(), 3);
}

#[tokio::test]
async fn file_that_changes_changes_the_set_and_a_broken_one_does_not() {
    let (one, two) = (backend(echo).await, backend(echo).await);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("endpoints.yaml");
    let file = WatchedFile { path: path.clone(), interval: OFTEN };
    let settings = Settings { discovery: Some(Discovery::File(file)), ..Settings::default() };
    let cluster = cluster_with(settings);
    let error = failing(&cluster, unary()).await;
    assert_eq!(error.reason(), "upstream_unresolved");
    std::fs::write(&path, format!("- {}\n", one.address)).unwrap();
    until(&cluster, |state| addresses(state) == [one.address.to_string()]).await;
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    let both = format!(
        "endpoints:\n  - address: http://{}\n    weight: 3\n  - {}\n",
        one.address, two.address
    );
    std::fs::write(&path, &both).unwrap();
    until(&cluster, |state| state.endpoints.len() == 2 && state.endpoints[0].weight == 3).await;
    let cut = "endpoints:\n  - address: http:/";
    for broken in [cut, "", "[]", "endpoints: ["] {
        std::fs::write(&path, broken).unwrap();
        until(&cluster, |state| state.discovery_failure.is_some()).await;
        assert_eq!(cluster.state().endpoints.len(), 2, "{broken}");
        std::fs::write(&path, &both).unwrap();
        until(&cluster, |state| state.discovery_failure.is_none()).await;
    }
    std::fs::remove_file(&path).unwrap();
    until(&cluster, |state| state.discovery_failure.is_some()).await;
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
}

#[tokio::test]
async fn unix_socket_is_an_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backend.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let (seen, mut authorities) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            seen.send(request.uri().authority().unwrap().to_string()).unwrap();
            tokio::spawn(echo(request, respond));
        }
    });
    let endpoint = format!("unix:{}", path.display());
    let settings = Settings { endpoints: vec![endpoint.clone().into()], ..Settings::default() };
    let cluster = cluster_with(settings);
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    assert_eq!(authorities.recv().await.unwrap(), "localhost");
    assert_eq!(addresses(&cluster.state()), [endpoint]);
    let gone = format!("unix:{}/gone.sock", folder.path().display());
    let settings = Settings { endpoints: vec![gone.into()], ..Settings::default() };
    let error = failing(&cluster_with(settings), unary()).await;
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "upstream_unreachable"));
}

#[tokio::test]
async fn authority_is_what_the_settings_say() {
    let (seen, mut authorities) = mpsc::unbounded_channel();
    let backend = backend(move |request: Request<RecvStream>, respond| {
        seen.send(request.uri().authority().unwrap().to_string()).unwrap();
        echo(request, respond)
    })
    .await;
    let authority = Some("bookshelf.internal".to_owned());
    let cluster = cluster_with(Settings { authority, ..settings(&[backend.address]) });
    assert_eq!(message(call(&cluster, unary()).await).await, "ask");
    assert_eq!(authorities.recv().await.unwrap(), "bookshelf.internal");
}

#[tokio::test]
async fn connection_that_has_grown_old_is_replaced_and_finishes_its_calls() {
    let (go, wait) = tokio::sync::watch::channel(false);
    let backend = backend(move |request: Request<RecvStream>, mut respond: SendResponse<Bytes>| {
        let mut wait = wait.clone();
        async move {
            if is_echo(&request) {
                return echo(request, respond).await;
            }
            wait.wait_for(|go| *go).await.unwrap();
            answer(&mut respond, &[b"late"]);
        }
    })
    .await;
    let age = Some(Duration::from_millis(50));
    let cluster =
        cluster_with(Settings { max_connection_age: age, ..settings(&[backend.address]) });
    let calling = cluster.clone();
    let long = tokio::spawn(async move { calling.call(watch()).await });
    let replaced = async {
        while backend.connections() < 3 {
            assert_eq!(message(call(&cluster, unary()).await).await, "ask");
        }
    };
    soon(replaced).await;
    go.send(true).unwrap();
    let mut reply = soon(long).await.unwrap().unwrap();
    assert_eq!(collect(&mut reply.messages).await.0, ["late"]);
}

#[test]
fn everything_that_is_wrong_is_told() {
    let wrong = |text: &str| {
        let settings: Settings = serde_json::from_str(text).unwrap();
        let problems = Cluster::check(&settings).err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.place.path).collect::<Vec<_>>()
    };
    assert_eq!(wrong(r#"{"discovery": {"dns": {"name": "a.b", "port": 1}}}"#), [""; 0]);
    assert_eq!(wrong("{}"), ["endpoints"]);
    let both = r#"{"endpoints": ["a:1"], "discovery": {"file": {"path": "x"}}}"#;
    assert_eq!(wrong(both), ["discovery"]);
    let dns = r#"{"discovery": {"dns": {"name": "a:1", "port": 0, "min_ttl": "0s"}}}"#;
    assert_eq!(wrong(dns), ["discovery.dns.name", "discovery.dns.port", "discovery.dns.min_ttl"]);
    let others = r#"{"endpoints": ["a:1"], "authority": "a b", "max_connection_age": "0s",
        "balance": {"kind": "ring_hash", "slow_start": {"window": "0s"}}}"#;
    let paths = ["authority", "max_connection_age", "balance", "balance.slow_start"];
    let mut found = wrong(others);
    found.retain(|path| paths.contains(&path.as_str()));
    assert_eq!(found, paths);
    for unreadable in [
        r#"{"discovery": {"dns": {"name": "a.b"}}}"#,
        r#"{"discovery": {"carrier_pigeon": {}}}"#,
        r#"{"endpoints": ["a:1"], "balance": "by_moon"}"#,
        r#"{"endpoints": ["a:1"], "balance": {"kind": "maglev", "key": {"client_address": false}}}"#,
    ] {
        assert!(serde_json::from_str::<Settings>(unreadable).is_err(), "{unreadable}");
    }
}
