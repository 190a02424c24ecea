//! Knows Connect's requests, and opens the calls that they are.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method as HttpMethod, Request, Response, StatusCode, Version,
    header::{ALLOW, CONTENT_ENCODING, UPGRADE},
    request::Parts,
};
use hyper::body::Incoming;

use super::{
    answer::{self, StreamAnswer, UnaryAnswer},
    failure, fault,
    form::{self, Content, Form, Kind},
    get::{self, Query},
};
use crate::{
    coding::Coding,
    error::{Code, Error},
    exchange::{Exchange, Messages},
    problem::Problem,
    protocol::{
        Answer, Call, Caller, Compiled, Door, Material, Methods, Opening, ResponseBody, Tongue,
        Upload,
        codec::Codec,
        deadline,
        incoming::{self, Terms},
        metadata,
        packing::{CONNECT, HTTP},
        rule::Rules,
        shape::Shape,
        unpacked::{Bound, Unpacked},
        whole::{over_limit, whole},
    },
    route::{self, Captures},
};

const VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");

/// Connect, compiled for one schema.
struct Connect {
    methods: Arc<Methods>,
    rules: Arc<Rules>,
}

/// Checks that every method has a shape.
pub(super) fn compile(material: &Material<'_>) -> Compiled {
    let (methods, rules) = (material.methods, material.rules);
    let unknown = methods.schema.methods().iter().filter(|method| !methods.knows(method));
    let message = "the types of its messages are not known";
    let problems: Vec<_> =
        unknown.map(|method| Problem::error(&*method.full_name, message)).collect();
    let door = Connect { methods: methods.clone(), rules: rules.clone() };
    let door = problems.is_empty().then(|| Box::new(door) as Box<dyn Door>);
    Compiled { door, problems }
}

impl Door for Connect {
    fn name(&self) -> &'static str {
        super::ENTRY.name
    }

    /// What says that it is Connect is, and at a method's path whatever no rule of REST takes. So a
    /// plain JSON POST is a call, unless a rule has that very path.
    fn knows(&self, request: &Request<Incoming>) -> bool {
        let headers = request.headers();
        if is_upgrade(request) {
            return false;
        }
        let content = Content::of(headers);
        if headers.contains_key(VERSION)
            || matches!(content, Some(Content { kind: Kind::Stream, .. }))
        {
            return true;
        }
        let path = request.uri().path();
        if self.methods.schema.method_by_path(path).is_none() {
            return false;
        }
        let codec = content.and_then(|content| content.codec);
        let is_call = match *request.method() {
            HttpMethod::POST if codec == Some(Codec::Proto) => return true,
            HttpMethod::POST => codec.is_some(),
            HttpMethod::GET | HttpMethod::HEAD => match get::speaks(request.uri().query()) {
                Some(true) => return true,
                speaks => speaks.is_some(),
            },
            _ => false,
        };
        match self.rules.find(request.method(), path, &mut Captures::new()) {
            route::Found::Route(_) => false,
            route::Found::MethodNotAllowed(_) => is_call,
            route::Found::NotFound => true,
        }
    }

    fn tongue(&self) -> Tongue {
        failure::TONGUE
    }

    fn open(&self, request: Request<Incoming>, caller: &Caller) -> Opening {
        let (head, body) = request.into_parts();
        let body = Upload::new(body, &head.headers);
        let is_head = head.method == HttpMethod::HEAD;
        let (shape, form) = match self.find(&head) {
            Ok(Found::Call(shape, form)) => (shape, form),
            Ok(Found::Options(allow)) => return Opening::Answered(options(allow)),
            Err(error) => {
                let is_foreign = form::is_foreign(&head) && !head.headers.contains_key(VERSION);
                let refusal = match is_foreign {
                    true => failure::plain(&error),
                    false => failure::refuse(&error, &self.methods.plans),
                };
                let meant = self.methods.schema.method_by_path(head.uri.path());
                return Opening::refused(answer::bare(refusal, is_head), meant);
            }
        };
        match open(shape, &form, &head, body, caller) {
            Ok(call) => Opening::Call(Box::new(call)),
            Err(error) => {
                let refusal = match form {
                    Form::Stream(codec) => {
                        failure::stream(&error, form::stream_type(codec), Some(&self.methods.plans))
                    }
                    _ => answer::bare(failure::unary(&error, Some(&self.methods.plans)), is_head),
                };
                Opening::refused(refusal, Some(&shape.method))
            }
        }
    }
}

/// What a request asks for.
enum Found<'c> {
    Call(&'c Arc<Shape>, Form<'c>),
    /// OPTIONS, and the HTTP methods that it is to tell.
    Options(&'static str),
}

impl Connect {
    fn find<'c>(&'c self, head: &'c Parts) -> Result<Found<'c>, Error> {
        let path = head.uri.path();
        let method =
            self.methods.schema.method_by_path(path).ok_or_else(|| fault::no_method(path))?;
        if head.method == HttpMethod::OPTIONS {
            return Ok(Found::Options(form::allowed(method)));
        }
        let form = Form::of(head, method)?;
        let shape = self.methods.shape(method).ok_or_else(|| fault::no_method(path))?;
        Ok(Found::Call(shape, form))
    }
}

/// WebSocket has the same paths.
fn is_upgrade<B>(request: &Request<B>) -> bool {
    let websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    request.method() == HttpMethod::CONNECT || request.headers().get(UPGRADE).is_some_and(websocket)
}

fn options(allow: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

fn open(
    shape: &Arc<Shape>,
    form: &Form<'_>,
    head: &Parts,
    body: Upload,
    caller: &Caller,
) -> Result<Call, Error> {
    check_version(head)?;
    let metadata = metadata::from_request(head, caller)?;
    let deadline = deadline::stated(&head.headers)?;
    let (messages, answer) = match form {
        Form::Unary(codec) => unary(shape, *codec, head, body)?,
        Form::Get(query) => get(shape, query, head)?,
        Form::Stream(codec) => stream(shape, *codec, head, body)?,
    };
    Ok(Call {
        exchange: Exchange {
            method: shape.method.clone(),
            metadata,
            messages,
            deadline,
            limits: shape.limits,
            codings: crate::coding::Codings::NONE,
            worker: caller.worker,
            extensions: http::Extensions::new(),
            journal: None,
        },
        route: Arc::default(),
        answer,
    })
}

fn check_version(head: &Parts) -> Result<(), Error> {
    match head.headers.get(VERSION) {
        Some(version) if version != "1" => {
            let given = String::from_utf8_lossy(version.as_bytes());
            Err(fault::version("header `connect-protocol-version`", &given, "1"))
        }
        _ => Ok(()),
    }
}

/// What a call of some form sends, and who writes what comes back.
type Ends = (Messages, Box<dyn Answer>);

fn unary(shape: &Arc<Shape>, codec: Codec, head: &Parts, body: Upload) -> Result<Ends, Error> {
    let sent = HTTP.sent(&head.headers)?;
    let limit = shape.limits.request_message;
    let body = Unpacked::new(body, sent.as_slice(), Bound::Message(limit))?;
    let reader = shape.clone();
    let messages = whole(body, limit, move |body| reader.read(codec, body.into_bytes()));
    let (shape, coding) = (shape.clone(), HTTP.preferred(&head.headers, sent));
    Ok((messages, Box::new(UnaryAnswer { shape, codec, coding, get: false, head: false })))
}

/// What is wrong with a query's message is told when it is asked for, as of a body: who may not call
/// learns nothing else.
fn get(shape: &Arc<Shape>, query: &Query<'_>, head: &Parts) -> Result<Ends, Error> {
    let sent = HTTP.parse(query.compression.as_deref().unwrap_or_default())?;
    let codec = query.codec;
    let message = query.message().and_then(|message| given(shape, codec, sent, message));
    let messages = message.map_or_else(Messages::failed, Messages::one);
    let (shape, coding) = (shape.clone(), HTTP.preferred(&head.headers, sent));
    let head = head.method == HttpMethod::HEAD;
    Ok((messages, Box::new(UnaryAnswer { shape, codec, coding, get: true, head })))
}

/// The message that a query holds.
fn given(
    shape: &Shape,
    codec: Codec,
    coding: Option<Coding>,
    message: Bytes,
) -> Result<Bytes, Error> {
    let limit = shape.limits.request_message;
    if message.len() > limit {
        return Err(over_limit(limit));
    }
    let message = coding.map_or(Ok(message.clone()), |coding| coding.unpack(&message, limit))?;
    shape.read(codec, message)
}

fn stream(shape: &Arc<Shape>, codec: Codec, head: &Parts, body: Upload) -> Result<Ends, Error> {
    if head.headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(fault::coded_stream());
    }
    let sent = CONNECT.sent(&head.headers)?;
    let terms = Terms {
        limit: shape.limits.request_message,
        coding: sent,
        names: &CONNECT,
        broken: Code::InvalidArgument,
        json: (codec == Codec::Json).then(|| shape.clone()),
        streaming: shape.method.client_streaming,
        eager: head.version == Version::HTTP_2,
    };
    let messages = incoming::messages(body, terms);
    let (shape, coding) = (shape.clone(), CONNECT.preferred(&head.headers, sent));
    Ok((messages, Box::new(StreamAnswer { shape, codec, coding })))
}
