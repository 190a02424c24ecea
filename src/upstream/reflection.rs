//! Asks a running server for its descriptors by gRPC reflection.
//!
//! Version 1 first, then v1alpha, which older servers speak instead. The files come back as the
//! bytes that the server sent, because decoding them would lose the custom options and with them
//! the HTTP rules (<https://github.com/grpc/grpc/blob/master/doc/server-reflection.md>).

use std::{
    collections::{HashSet, VecDeque},
    fmt, fs,
    path::Path,
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
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tonic_reflection::pb::{v1, v1alpha};

use super::{
    Settings, Tls, discovery,
    settings::{Address, Place, parse_address},
};

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

/// Asks the endpoints of an upstream in turn until one answers.
///
/// # Errors
///
/// The last endpoint's reason, or that there is none.
pub async fn ask(settings: &Settings, bounds: Bounds) -> Result<Reflected, ReflectionError> {
    let addresses = match &settings.discovery {
        Some(discovery) => discovery::once(discovery).await.map_err(ReflectionError)?,
        None => {
            let written = settings.endpoints.iter();
            written.filter_map(|listed| parse_address(&listed.address).ok()).collect()
        }
    };
    let mut last = ReflectionError("there is no endpoint to ask for its schema".into());
    for address in addresses {
        let asked = match channel_to(&address, settings) {
            Ok(channel) => fetch(channel, bounds).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(reflected) => return Ok(reflected),
            Err(error) => {
                let place = &address.place;
                last = ReflectionError(format!("asking `{place}` for its schema: {error}"));
            }
        }
    }
    Err(last)
}

/// A channel to an endpoint, as the settings say that it is to be called; it connects with the first
/// call.
fn channel_to(address: &Address, settings: &Settings) -> Result<Channel, ReflectionError> {
    let fail = |error: tonic::transport::Error| ReflectionError(error.to_string());
    let Address { scheme, authority, place, host, .. } = address;
    let url = match place {
        Place::Unix(_) => place.to_string(),
        Place::Host(..) => format!("{scheme}://{place}"),
    };
    let authority = settings.authority.as_deref().unwrap_or(authority.as_str());
    let mut endpoint = Endpoint::from_shared(url).map_err(fail)?;
    if let Ok(origin) = format!("{scheme}://{authority}").parse() {
        endpoint = endpoint.origin(origin);
    }
    if address.is_tls() {
        let mut tls = client_tls(settings.tls.as_ref())?;
        if settings.tls.as_ref().is_none_or(|tls| tls.server_name.is_none()) {
            tls = tls.domain_name(host);
        }
        endpoint = endpoint.tls_config(tls).map_err(fail)?;
    }
    Ok(endpoint.connect_timeout(settings.connect_timeout).connect_lazy())
}

fn client_tls(settings: Option<&Tls>) -> Result<ClientTlsConfig, ReflectionError> {
    let read = |path: &Path| {
        let unreadable = |error| format!("`{}` can't be read: {error}", path.display());
        fs::read(path).map_err(|error| ReflectionError(unreadable(error)))
    };
    let mut tls = ClientTlsConfig::new();
    let Some(settings) = settings else { return Ok(tls.with_enabled_roots()) };
    tls = match &settings.ca {
        Some(path) => tls.ca_certificate(Certificate::from_pem(read(path)?)),
        None => tls.with_enabled_roots(),
    };
    if let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) {
        tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    if let Some(name) = &settings.server_name {
        tls = tls.domain_name(name);
    }
    Ok(tls)
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
    open: Option<Open<V>>,
}

/// Where questions go in, and where answers come out.
type Open<V> = (mpsc::Sender<<V as Version>::Request>, Streaming<<V as Version>::Response>);

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
mod tests;
