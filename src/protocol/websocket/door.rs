//! Finds the method of a handshake, answers it, and opens the session.

use std::sync::Arc;

use http::{Request, request::Parts};
use hyper::{body::Incoming, upgrade::OnUpgrade};

use super::{
    Settings, handshake, inbox, origin,
    request::{Source, Takes},
    talk::Opened,
    tongue,
};
use crate::{
    coding::Codings,
    error::Error,
    exchange::Exchange,
    first_use::FirstUse,
    protocol::{
        Caller, Compiled, Door, Material, MethodPolicy, Methods, Opening, Session, deadline,
        failure, metadata,
        rule::{self, Rule, Rules},
        shape::Shape,
    },
    route::{self, Captures},
    schema::{Body, Method},
};

/// What holds for the sessions of one method.
pub(super) struct Terms {
    pub(super) shape: Arc<Shape>,
    pub(super) settings: Settings,
    /// The rule of `/package.Service/Method`.
    own: Arc<Rule>,
}

impl Terms {
    /// `None` where the plans don't know the method's messages, of which other doors tell.
    fn of(method: &Arc<Method>, methods: &Methods) -> Option<Self> {
        let MethodPolicy { parameters, websocket, .. } = methods.policy(method);
        Some(Self {
            shape: methods.shape(method)?.clone(),
            settings: websocket.clone(),
            own: Arc::new(Rule::of_method(method, &methods.plans, parameters)?),
        })
    }
}

/// WebSocket, compiled for one schema.
struct WebSocket {
    methods: Arc<Methods>,
    rules: Arc<Rules>,
    /// By `Method::index`; made when the first session of a method opens, for most have none.
    terms: FirstUse<Option<Arc<Terms>>>,
}

/// Prepares sessions of every method.
pub(super) fn compile(material: &Material<'_>) -> Compiled {
    let (methods, rules) = (material.methods.clone(), material.rules.clone());
    let terms = FirstUse::of(methods.schema.methods().len());
    let door = Box::new(WebSocket { methods, rules, terms });
    Compiled { door: Some(door), problems: Vec::new() }
}

impl Door for WebSocket {
    fn name(&self) -> &'static str {
        super::ENTRY.name
    }

    fn knows(&self, request: &Request<Incoming>) -> bool {
        handshake::asks(request)
    }

    fn open(&self, mut request: Request<Incoming>, caller: &Caller) -> Opening {
        let upgrade = hyper::upgrade::on(&mut request);
        let (head, body) = request.into_parts();
        let session = self.session(&head, &body, upgrade, caller);
        session.map_or_else(
            |error| {
                let refusal = failure::respond(&error, &self.methods.plans, false);
                let meant = self.find(head.uri.path(), &mut Captures::new()).ok();
                Opening::refused(refusal, meant.map(|(rule, ..)| &rule.method))
            },
            |session| Opening::Session(Box::new(session)),
        )
    }
}

impl WebSocket {
    fn session(
        &self,
        head: &Parts,
        body: &Incoming,
        upgrade: OnUpgrade,
        caller: &Caller,
    ) -> Result<Session, Error> {
        let metadata = metadata::from_request(head, caller)?;
        let (codec, subprotocol) = tongue::of(&head.headers)?;
        let response = handshake::accept(head, body, subprotocol)?;
        let mut captures = Captures::new();
        let (rule, terms, takes) = self.find(head.uri.path(), &mut captures)?;
        // The name that the caller called us by, as the backend hears it too.
        let host = metadata.get("x-forwarded-host").and_then(|host| host.to_str().ok());
        origin::check(&head.headers, host, &terms.settings)?;
        let deadline = deadline::stated(&head.headers)?;
        let tail = rule.tail(&captures, head.uri.query());
        let source = Source { terms: terms.clone(), rule: rule.clone(), codec, tail };
        let (giver, taker) = inbox::inbox();
        Ok(Session {
            exchange: Exchange {
                codings: Codings::NONE,
                method: rule.method.clone(),
                metadata,
                messages: source.messages(takes, taker),
                deadline,
                limits: terms.shape.limits,
                worker: caller.worker,
                extensions: http::Extensions::new(),
                journal: None,
            },
            route: rule.source.template.clone(),
            response,
            talk: Box::new(Opened { upgrade, terms: terms.clone(), codec, takes, inbox: giver }),
        })
    }

    fn terms(&self, method: &Arc<Method>) -> Option<&Arc<Terms>> {
        let compile = || Terms::of(method, &self.methods).map(Arc::new);
        self.terms.ask(method.index, compile).as_ref()
    }

    /// The rule that a path means, and how many messages its callers send.
    fn find<'p>(
        &self,
        path: &'p str,
        captures: &mut Captures<'p>,
    ) -> Result<(&Arc<Rule>, &Arc<Terms>, Takes), Error> {
        let terms = |method| self.terms(method);
        let by_name = self.methods.schema.method_by_path(path).and_then(|method| {
            let terms = terms(method)?;
            Some((&terms.own, terms, false))
        });
        let found = match by_name {
            Some(found) => Some(found),
            None => {
                route::check_path(path).map_err(|error| rule::fault::path_encoding(&error))?;
                let rule = self.rules.find_any(path, captures);
                rule.and_then(|rule| {
                    Some((rule, terms(&rule.method)?, rule.source.body == Body::None))
                })
            }
        };
        let (rule, terms, says_all) = found.ok_or_else(|| no_route(path))?;
        let takes = match rule.method.client_streaming {
            true => Takes::Many,
            false if says_all => Takes::Nothing,
            false => Takes::One,
        };
        Ok((rule, terms, takes))
    }
}

fn no_route(path: &str) -> Error {
    let message = format!(
        "no WebSocket route for {path:.200}; a method's REST path or `/package.Service/Method` is"
    );
    Error::not_found("no_route", message)
}
