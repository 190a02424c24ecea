//! Asks a running server for its descriptors by gRPC reflection.
//!
//! Version 1 first, then v1alpha, which older servers speak instead. The files come back as the
//! bytes that the server sent, because decoding them would lose the custom options and with them
//! the HTTP rules (<https://github.com/grpc/grpc/blob/master/doc/server-reflection.md>).

mod channel;
mod conversation;

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    time::Duration,
};

use bytes::Bytes;
use http_body::Body;
use prost::Message;
use tokio::time;
use tonic::{Code, client::GrpcService};
use tonic_reflection::pb::{v1, v1alpha};

use self::{
    channel::channel_to,
    conversation::{Answer, Conversation, Failure, Question, V1, V1Alpha, Version},
};
use super::{Settings, discovery, settings::parse_address};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What carries the calls: a [`Channel`](tonic::transport::Channel), or any other service that takes gRPC requests.
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

#[cfg(test)]
mod tests;
