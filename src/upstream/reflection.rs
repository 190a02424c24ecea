//! Asks a running server for its descriptors by gRPC reflection.
//!
//! Version 1 first, then v1alpha, which older servers speak instead. The files come back as the
//! bytes that the server sent, because decoding them would lose the custom options and with them
//! the HTTP rules (<https://github.com/grpc/grpc/blob/master/doc/server-reflection.md>).

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    time::Duration,
};

use bytes::Bytes;
use http_body::Body;
use prost::Message;
use tokio::{sync::mpsc, time};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Response, Status, Streaming,
    client::GrpcService,
    transport::{Channel, ClientTlsConfig, Endpoint},
};
use tonic_reflection::pb::{v1, v1alpha};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What carries the calls: a [`Channel`], or any other service that takes gRPC requests.
pub trait Transport:
    GrpcService<
        tonic::body::Body,
        Error: Into<BoxError>,
        ResponseBody: Body<Data = Bytes, Error: Into<BoxError> + Send> + Send + 'static,
    > + Clone
{
}

impl<T> Transport for T where
    T: GrpcService<
            tonic::body::Body,
            Error: Into<BoxError>,
            ResponseBody: Body<Data = Bytes, Error: Into<BoxError> + Send> + Send + 'static,
        > + Clone
{
}

/// What a server told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reflected {
    /// Each one a serialised `google.protobuf.FileDescriptorProto`, as the server sent it, in the
    /// order in which they came.
    pub files: Vec<Bytes>,
    /// The full names of services that the server lists but has no file of.
    pub undescribed: Vec<String>,
}

/// How much of a server's answers is taken.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long all of it may take.
    pub deadline: Duration,
    /// How many bytes all files together may have.
    pub bytes: usize,
    /// How many files there may be.
    pub files: usize,
}

impl Default for Bounds {
    /// Ten seconds, 64 MiB, 20,000 files.
    fn default() -> Self {
        Self { deadline: Duration::from_secs(10), bytes: 64 << 20, files: 20_000 }
    }
}

/// Why a server's descriptors could not be had: a sentence for the operator.
#[derive(Debug)]
pub struct ReflectionError(String);

impl fmt::Display for ReflectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReflectionError {}

/// A channel to a server, for the questions at start-up; it connects with the first call.
///
/// `http://` is cleartext HTTP/2, `https://` is TLS with `tls`, or with the system's roots.
///
/// # Errors
///
/// The URL is none, its scheme is another one, or the TLS settings can't be used.
pub fn channel(url: &str, tls: Option<ClientTlsConfig>) -> Result<Channel, ReflectionError> {
    let fail = |what: String| ReflectionError(format!("`{url}` can't be asked: {what}"));
    let endpoint =
        Endpoint::from_shared(url.to_owned()).map_err(|error| fail(error.to_string()))?;
    let endpoint = match endpoint.uri().scheme_str() {
        Some("http") => endpoint,
        Some("https") => {
            let tls = tls.unwrap_or_else(|| ClientTlsConfig::new().with_enabled_roots());
            endpoint.tls_config(tls).map_err(|error| fail(error.to_string()))?
        }
        _ => return Err(fail("the URL begins with neither `http://` nor `https://`".into())),
    };
    Ok(endpoint.connect_timeout(Duration::from_secs(5)).connect_lazy())
}

/// Fetches the files of every service that the server lists, with all that they import.
///
/// An import that the server doesn't know is passed over: whether it is needed shows when the
/// files are put together.
///
/// # Errors
///
/// The server can't be reached, offers no reflection or no service, breaks the protocol, or passes
/// a bound.
pub async fn fetch<T: Transport>(
    transport: T,
    bounds: Bounds,
) -> Result<Reflected, ReflectionError> {
    match time::timeout(bounds.deadline, fetch_by_any_version(transport, bounds)).await {
        Ok(outcome) => outcome.map_err(Failure::into_error),
        Err(_) => Err(ReflectionError(format!(
            "the server did not answer reflection within {:?}",
            bounds.deadline
        ))),
    }
}

async fn fetch_by_any_version<T: Transport>(
    transport: T,
    bounds: Bounds,
) -> Result<Reflected, Failure> {
    let limit = bounds.bytes.saturating_add(1 << 20);
    let client = v1::server_reflection_client::ServerReflectionClient::new(transport.clone());
    let first = Conversation::new(V1(client.max_decoding_message_size(limit)));
    match fetch_all(first, bounds).await {
        Err(Failure::Status(status)) if status.code() == Code::Unimplemented => {
            let client = v1alpha::server_reflection_client::ServerReflectionClient::new(transport);
            let second = Conversation::new(V1Alpha(client.max_decoding_message_size(limit)));
            fetch_all(second, bounds).await
        }
        outcome => outcome,
    }
}

async fn fetch_all<V: Version>(
    mut conversation: Conversation<V>,
    bounds: Bounds,
) -> Result<Reflected, Failure> {
    let services = match conversation.ask(Question::ListServices).await? {
        Answer::Services(services) if services.is_empty() => {
            return Err(Failure::Other("the server lists no service in its reflection".into()));
        }
        Answer::Services(services) => services,
        Answer::Refused(message) => {
            let message = format!("the server does not list its services: {message}");
            return Err(Failure::Other(message));
        }
        Answer::Files(_) | Answer::Unexpected => return Err(Failure::unexpected()),
    };
    let mut gathered = Gathered::new(bounds);
    for service in services {
        match conversation.ask(Question::FileOf(service.clone())).await? {
            Answer::Files(files) => gathered.take(files)?,
            Answer::Refused(_) => gathered.reflected.undescribed.push(service),
            Answer::Services(_) | Answer::Unexpected => return Err(Failure::unexpected()),
        }
    }
    while let Some(name) = gathered.next_import() {
        match conversation.ask(Question::FileNamed(name)).await? {
            Answer::Files(files) => gathered.take(files)?,
            Answer::Refused(_) => {}
            Answer::Services(_) | Answer::Unexpected => return Err(Failure::unexpected()),
        }
    }
    Ok(gathered.reflected)
}

/// The files so far, and those still to ask for.
struct Gathered {
    bounds: Bounds,
    bytes: usize,
    /// Names of the files that are there.
    present: HashSet<String>,
    /// Names of files that need not be asked for again.
    asked: HashSet<String>,
    imports: VecDeque<String>,
    reflected: Reflected,
}

/// `FileDescriptorProto`, as much as says which other files to fetch.
#[derive(Clone, PartialEq, Message)]
struct Outline {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, repeated, tag = "3")]
    dependency: Vec<String>,
    #[prost(string, repeated, tag = "15")]
    option_dependency: Vec<String>,
}

impl Gathered {
    fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            bytes: 0,
            present: HashSet::new(),
            asked: HashSet::new(),
            imports: VecDeque::new(),
            reflected: Reflected::default(),
        }
    }

    fn take(&mut self, files: Vec<Vec<u8>>) -> Result<(), Failure> {
        for file in files {
            let outline = Outline::decode(file.as_slice()).map_err(|error| {
                Failure::Other(format!("the server sent a file that can't be read: {error}"))
            })?;
            if !self.present.insert(outline.name) {
                continue;
            }
            self.bytes += file.len();
            self.imports.extend(outline.dependency);
            self.imports.extend(outline.option_dependency);
            self.reflected.files.push(file.into());
            let Bounds { bytes, files, .. } = self.bounds;
            if self.bytes > bytes || self.reflected.files.len() > files {
                let message =
                    format!("the server's files pass the bound of {files} files or {bytes} bytes");
                return Err(Failure::Other(message));
            }
        }
        Ok(())
    }

    /// The next file that is imported but not there, once only.
    fn next_import(&mut self) -> Option<String> {
        loop {
            let name = self.imports.pop_front()?;
            if !self.present.contains(&name) && self.asked.insert(name.clone()) {
                return Some(name);
            }
        }
    }
}

/// Why a conversation ended early.
enum Failure {
    Status(Status),
    Other(String),
}

impl Failure {
    fn unexpected() -> Self {
        Self::Other("the server's reflection answers something else than it was asked".into())
    }

    fn into_error(self) -> ReflectionError {
        ReflectionError(match self {
            Failure::Other(message) => message,
            Failure::Status(status) => match status.code() {
                Code::Unimplemented => "the server offers no reflection, neither v1 nor v1alpha; \
                                        switch it on there, or give a descriptor set"
                    .to_owned(),
                Code::Unavailable => {
                    format!("the server can't be reached: {}{}", status.message(), causes(&status))
                }
                code => format!("the server refused reflection: {code:?}: {}", status.message()),
            },
        })
    }
}

/// What lies below an error, which tonic's own words leave out (`connection refused`).
fn causes(status: &Status) -> String {
    let mut told = String::new();
    let mut next = std::error::Error::source(status);
    while let Some(error) = next {
        let text = error.to_string();
        if !told.contains(&text) && !status.message().contains(&text) {
            told.push_str(": ");
            told.push_str(&text);
        }
        next = error.source();
    }
    told
}

/// What a question can be.
enum Question {
    ListServices,
    FileOf(String),
    FileNamed(String),
}

/// What the answer can be.
enum Answer {
    Services(Vec<String>),
    Files(Vec<Vec<u8>>),
    Refused(String),
    Unexpected,
}

/// One stream of questions and answers, opened anew where the server ended it.
struct Conversation<V: Version> {
    client: V,
    open: Option<(mpsc::Sender<V::Request>, Streaming<V::Response>)>,
}

impl<V: Version> Conversation<V> {
    fn new(client: V) -> Self {
        Self { client, open: None }
    }

    async fn ask(&mut self, question: Question) -> Result<Answer, Failure> {
        let request = V::request(question);
        let (questions, mut answers) = match self.open.take() {
            Some((questions, answers)) => {
                // If the server has ended the stream, its answer says so.
                let _ = questions.send(request).await;
                (questions, answers)
            }
            None => {
                // Many servers answer the headers only with the first answer, so ask it first.
                let (questions, stream) = mpsc::channel(1);
                let _ = questions.send(request).await;
                let response = self.client.open(ReceiverStream::new(stream)).await;
                match response {
                    Ok(response) => (questions, response.into_inner()),
                    Err(status) => return refusal(status),
                }
            }
        };
        match answers.message().await {
            Ok(Some(response)) => {
                self.open = Some((questions, answers));
                Ok(V::answer(response))
            }
            Ok(None) => Err(Failure::Other("the server ended its reflection early".into())),
            Err(status) => refusal(status),
        }
    }
}

/// Some servers end the whole stream over a name that they don't know.
fn refusal(status: Status) -> Result<Answer, Failure> {
    match status.code() {
        Code::NotFound => Ok(Answer::Refused(status.message().to_owned())),
        _ => Err(Failure::Status(status)),
    }
}

/// One of the two versions, whose types are alike but not the same.
trait Version {
    type Request: Send + 'static;
    type Response: 'static;

    fn request(question: Question) -> Self::Request;
    fn answer(response: Self::Response) -> Answer;
    async fn open(
        &mut self,
        questions: ReceiverStream<Self::Request>,
    ) -> Result<Response<Streaming<Self::Response>>, Status>;
}

macro_rules! version {
    ($name:ident, $version:ident) => {
        struct $name<T>($version::server_reflection_client::ServerReflectionClient<T>);

        impl<T: Transport> Version for $name<T> {
            type Request = $version::ServerReflectionRequest;
            type Response = $version::ServerReflectionResponse;

            fn request(question: Question) -> Self::Request {
                use $version::server_reflection_request::MessageRequest as Ask;
                let ask = match question {
                    Question::ListServices => Ask::ListServices(String::new()),
                    Question::FileOf(symbol) => Ask::FileContainingSymbol(symbol),
                    Question::FileNamed(name) => Ask::FileByFilename(name),
                };
                Self::Request { host: String::new(), message_request: Some(ask) }
            }

            fn answer(response: Self::Response) -> Answer {
                use $version::server_reflection_response::MessageResponse as Told;
                match response.message_response {
                    Some(Told::ListServicesResponse(list)) => {
                        Answer::Services(list.service.into_iter().map(|one| one.name).collect())
                    }
                    Some(Told::FileDescriptorResponse(files)) => {
                        Answer::Files(files.file_descriptor_proto)
                    }
                    Some(Told::ErrorResponse(error)) => Answer::Refused(error.error_message),
                    _ => Answer::Unexpected,
                }
            }

            async fn open(
                &mut self,
                questions: ReceiverStream<Self::Request>,
            ) -> Result<Response<Streaming<Self::Response>>, Status> {
                self.0.server_reflection_info(questions).await
            }
        }
    };
}

version!(V1, v1);
version!(V1Alpha, v1alpha);

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use prost_types::FileDescriptorSet;
    use tokio::net::TcpListener;
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::{service::Routes, transport::Server};
    use tonic_reflection::server::Builder;

    use super::*;
    use crate::schema::Schema;

    const BOOKSHELF: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bookshelf.binpb"));

    /// Serves until the test ends.
    async fn serve(routes: Routes) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(incoming));
        address
    }

    fn ask_for_bookshelf<'b>() -> Builder<'b> {
        Builder::configure().register_encoded_file_descriptor_set(BOOKSHELF)
    }

    async fn fetch_from(address: SocketAddr, bounds: Bounds) -> Result<Reflected, String> {
        let channel = channel(&format!("http://{address}"), None).unwrap();
        fetch(channel, bounds).await.map_err(|error| error.to_string())
    }

    async fn assert_gives_bookshelf(routes: Routes) {
        let address = serve(routes).await;
        let reflected = fetch_from(address, Bounds::default()).await.unwrap();
        assert_eq!(reflected.undescribed, [""; 0]);
        let (schema, problems) = Schema::builder().add_files("bookshelf", &reflected.files).build();
        assert_eq!(problems, []);
        let schema = schema.unwrap();
        let services: Vec<_> = schema.services().iter().map(|one| &*one.full_name).collect();
        assert_eq!(services, ["bookshelf.v1.Bookshelf"]);
        let get = schema.method_by_path("/bookshelf.v1.Bookshelf/GetBook").unwrap();
        assert_eq!(get.rules[0].template, "/v1/{name=shelves/*/books/*}");
    }

    #[tokio::test]
    async fn version_1_gives_files_with_their_options() {
        assert_gives_bookshelf(Routes::new(ask_for_bookshelf().build_v1().unwrap())).await;
    }

    #[tokio::test]
    async fn version_1alpha_is_asked_where_1_is_not_offered() {
        assert_gives_bookshelf(Routes::new(ask_for_bookshelf().build_v1alpha().unwrap())).await;
    }

    #[tokio::test]
    async fn both_versions_and_health_are_not_services_of_the_schema() {
        let (_, health) = tonic_health::server::health_reporter();
        let set = tonic_health::pb::FILE_DESCRIPTOR_SET;
        let builder = || ask_for_bookshelf().register_encoded_file_descriptor_set(set);
        let routes = Routes::new(builder().build_v1().unwrap())
            .add_service(builder().build_v1alpha().unwrap())
            .add_service(health);
        assert_gives_bookshelf(routes).await;
    }

    #[tokio::test]
    async fn stripped_options_are_a_warning() {
        // Decoding with types that know no extensions loses them, as some servers do.
        let set = FileDescriptorSet::decode(BOOKSHELF).unwrap();
        let builder = Builder::configure().register_file_descriptor_set(set);
        let address = serve(Routes::new(builder.build_v1().unwrap())).await;
        let reflected = fetch_from(address, Bounds::default()).await.unwrap();

        let builder = || Schema::builder().add_files("bookshelf", &reflected.files);
        let (schema, problems) = builder().build();
        assert!(schema.is_some());
        assert_eq!(problems.len(), 1);
        assert!(!problems[0].is_error());
        let text = problems[0].to_string();
        assert!(text.contains("without a single HTTP rule"), "{text}");
        assert!(text.contains("descriptor set"), "{text}");

        let (_, problems) = builder().auto_map(|_| true).build();
        assert_eq!(problems, []);
        let (schema, problems) = builder().add_descriptor_set("api.binpb", BOOKSHELF).build();
        assert_eq!(problems, []);
        assert!(!schema.unwrap().methods()[0].rules.is_empty());
    }

    #[tokio::test]
    async fn unknown_services_and_imports_are_told_not_fatal() {
        let mut set = FileDescriptorSet::decode(BOOKSHELF).unwrap();
        set.file.retain(|file| !file.name().starts_with("google/"));
        let builder = Builder::configure()
            .include_reflection_service(false)
            .register_file_descriptor_set(set)
            .with_service_name("no.Such")
            .with_service_name("bookshelf.v1.Bookshelf");
        let address = serve(Routes::new(builder.build_v1().unwrap())).await;
        let reflected = fetch_from(address, Bounds::default()).await.unwrap();
        assert_eq!(reflected.undescribed, ["no.Such"]);
        assert_eq!(reflected.files.len(), 1);
        let (schema, _) = Schema::builder().add_files("bookshelf", &reflected.files).build();
        assert!(schema.is_some(), "the bundled files stand in for the imports");
    }

    #[tokio::test]
    async fn a_server_without_reflection_says_so() {
        let (_, health) = tonic_health::server::health_reporter();
        let address = serve(Routes::new(health)).await;
        let error = fetch_from(address, Bounds::default()).await.unwrap_err();
        assert!(error.contains("offers no reflection"), "{error}");
        assert!(error.contains("descriptor set"), "{error}");
    }

    #[tokio::test]
    async fn nobody_there_is_unreachable() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = fetch_from(address, Bounds::default()).await.unwrap_err();
        assert!(error.contains("can't be reached"), "{error}");
        assert!(error.contains("refused"), "{error}");
    }

    #[tokio::test]
    async fn a_silent_server_is_given_up_at_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bounds = Bounds { deadline: Duration::from_millis(50), ..Bounds::default() };
        let error = fetch_from(listener.local_addr().unwrap(), bounds).await.unwrap_err();
        assert!(error.contains("within 50ms"), "{error}");
    }

    #[tokio::test]
    async fn too_many_files_or_bytes_are_refused() {
        let address = serve(Routes::new(ask_for_bookshelf().build_v1().unwrap())).await;
        for bounds in
            [Bounds { files: 2, ..Bounds::default() }, Bounds { bytes: 3000, ..Bounds::default() }]
        {
            let error = fetch_from(address, bounds).await.unwrap_err();
            assert!(error.contains("pass the bound"), "{error}");
        }
    }

    #[tokio::test]
    async fn urls_of_other_kinds_are_refused() {
        for url in ["ftp://host", "localhost:50051", "", "http://"] {
            let error = channel(url, None).unwrap_err().to_string();
            assert!(error.contains("can't be asked"), "{url}: {error}");
        }
        assert!(channel("https://localhost:1", None).is_ok());
    }

    #[test]
    fn the_future_can_be_spawned() {
        fn assert_send(_: impl Send) {}
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _guard = runtime.enter();
        assert_send(fetch(channel("http://localhost:1", None).unwrap(), Bounds::default()));
    }
}
