//! THE path of a request, top to bottom.

use std::{panic::AssertUnwindSafe, sync::Arc};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::{
    config::Runtime,
    exchange::Exchange,
    observe::{self, Record},
    protocol::{
        Caller, Opening, ResponseBody, Session, Tongue, Written,
        body::bug,
        cors::{self, Reception},
        failure,
        session::Ending,
    },
};

/// Serves requests by the runtime that is in force. One value serves all workers.
pub struct Gateway {
    runtime: ArcSwap<Runtime>,
}

impl Gateway {
    /// A gateway that serves by `runtime`.
    pub fn new(runtime: Arc<Runtime>) -> Self {
        Self { runtime: ArcSwap::new(runtime) }
    }

    /// Answers one request. A panic on the way is a bug; it costs this request alone.
    pub async fn serve(
        &self,
        request: Request<Incoming>,
        caller: &Caller,
    ) -> Response<ResponseBody> {
        let mut record = Record::begin(&request, caller);
        // How to tell of a bug, as far as is known by then who is to hear of it.
        let mut tongue = failure::TONGUE;
        let walk = self.walk(request, caller, &mut record, &mut tongue);
        let response = match AssertUnwindSafe(walk).catch_unwind().await {
            Ok(response) => response,
            Err(panic) => tongue.tell(&bug(&*panic)),
        };
        observe::follow(record, response)
    }

    async fn walk(
        &self,
        request: Request<Incoming>,
        caller: &Caller,
        record: &mut Option<Box<Record>>,
        tongue: &mut Tongue,
    ) -> Response<ResponseBody> {
        // The snapshot that this request keeps, whatever is swapped in meanwhile.
        let runtime = self.runtime.load_full();

        // A page of another origin may ask first whether it may call; the route table answers.
        let mut visit = match runtime.cors().receive(&request) {
            Reception::Visit(visit) => visit,
            Reception::Preflight(answer) => {
                record.iter_mut().for_each(|record| record.entered(cors::NAME));
                return answer;
            }
        };

        // Which protocol, and which method: before any policy, for policies hang on the method.
        let door = runtime.door(&request);
        record.iter_mut().for_each(|record| record.entered(door.name()));
        *tongue = door.tongue();
        let mut call = match door.open(request, caller) {
            Opening::Call(call) => call,
            Opening::Session(session) => return attend(runtime, *session, caller, record.take()),
            Opening::Answered(response) => return visit.mark(response),
        };
        record.iter_mut().for_each(|record| record.opened(&mut call.exchange, &call.route));
        *tongue = call.answer.tongue();
        introduce(caller, &mut call.exchange);

        // The method's stages, and the backend behind them.
        let outcome = match visit.enter(&call.exchange.method) {
            Ok(()) => runtime.chain(&call.exchange.method).call(call.exchange).await,
            Err(refusal) => Err(refusal),
        };

        // Back in the caller's tongue.
        visit.mark(match call.answer.write(outcome) {
            Written::Now(response) => response,
            Written::Later(response) => response.await,
        })
    }
}

/// Whoever has shown a certificate is known to the stages.
fn introduce(caller: &Caller, exchange: &mut Exchange) {
    if let Some(identity) = &caller.identity {
        exchange.extensions.insert(identity.clone());
    }
}

/// The same way where the answer goes out first: the rest of it is a task of its own.
fn attend(
    runtime: Arc<Runtime>,
    session: Session,
    caller: &Caller,
    mut record: Option<Box<Record>>,
) -> Response<ResponseBody> {
    let Session { mut exchange, route, mut response, talk } = session;
    record.iter_mut().for_each(|record| record.opened(&mut exchange, &route));
    record.iter_mut().for_each(|record| record.began(&mut response));
    introduce(caller, &mut exchange);
    let stay = caller.stay();
    tokio::spawn(async move {
        // The same stages, and the backend behind them; both sides are live until the end.
        let chain = runtime.chain(&exchange.method.clone());
        let talk = talk.hold(chain.call(exchange), stay);
        let ending = AssertUnwindSafe(talk).catch_unwind().await;
        let ending = ending.unwrap_or_else(|panic| Ending::by(&bug(&*panic)));
        record.iter_mut().for_each(|record| record.ended(&ending));
    });
    response
}
