//! A conversation with a server's reflection, in either of its versions.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Response, Status, Streaming};
use tonic_reflection::pb::{v1, v1alpha};

use super::{ReflectionError, Transport};

/// Why a conversation ended early.
pub(super) enum Failure {
    Status(Status),
    Other(String),
}

impl Failure {
    /// The server answers something else than it was asked.
    pub(super) fn unexpected() -> Self {
        Self::Other("the server's reflection answers something else than it was asked".into())
    }

    /// The same for the operator.
    pub(super) fn into_error(self) -> ReflectionError {
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
pub(super) enum Question {
    ListServices,
    FileOf(String),
    FileNamed(String),
}

/// What the answer can be.
pub(super) enum Answer {
    Services(Vec<String>),
    Files(Vec<Vec<u8>>),
    Refused(String),
    Unexpected,
}

/// One stream of questions and answers, opened anew where the server ended it.
pub(super) struct Conversation<V: Version> {
    client: V,
    open: Option<Open<V>>,
}

/// Where questions go in, and where answers come out.
type Open<V> = (mpsc::Sender<<V as Version>::Request>, Streaming<<V as Version>::Response>);

impl<V: Version> Conversation<V> {
    /// One that begins with the first question.
    pub(super) fn new(client: V) -> Self {
        Self { client, open: None }
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask(&mut self, question: Question) -> Result<Answer, Failure> {
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
pub(super) trait Version {
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
        pub(super) struct $name<T>(
            pub(super) $version::server_reflection_client::ServerReflectionClient<T>,
        );

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
