//! THE path of a request, top to bottom.

use std::{mem, panic::AssertUnwindSafe, sync::Arc};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::{
    config::Runtime,
    exchange::{Approach, Exchange},
    observe::Witness,
    protocol::{
        Caller, Meant, Opening, ResponseBody, Session, Tongue, Written,
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

    /// The runtime in force.
    pub fn runtime(&self) -> Arc<Runtime> {
        self.runtime.load_full()
    }

    /// Serves what comes from now on by another runtime; what is in flight keeps the one that it
    /// began with. Gives the runtime before.
    pub fn swap(&self, runtime: Arc<Runtime>) -> Arc<Runtime> {
        self.runtime.swap(runtime)
    }

    /// Answers one request. A panic on the way is a bug; it costs this request alone.
    pub async fn serve(
        &self,
        request: Request<Incoming>,
        caller: &Caller,
    ) -> Response<ResponseBody> {
        let mut witness = Witness::begin(&request, caller);
        // The snapshot that this request keeps, whatever is swapped in meanwhile.
        let runtime = self.runtime.load_full();
        // How to tell of a bug, as far as is known by then who is to hear of it.
        let mut tongue = failure::TONGUE;
        let walk = walk(&runtime, request, caller, &mut witness, &mut tongue);
        let response = match AssertUnwindSafe(walk).catch_unwind().await {
            Ok(response) => response,
            Err(panic) => tongue.tell(&bug(&*panic)),
        };
        witness.follow(response, runtime.nowhere().shard(caller.worker))
    }
}

async fn walk(
    runtime: &Arc<Runtime>,
    request: Request<Incoming>,
    caller: &Caller,
    witness: &mut Witness,
    tongue: &mut Tongue,
) -> Response<ResponseBody> {
    // A page of another origin may ask first whether it may call; the route table answers.
    let mut visit = match runtime.cors().receive(&request) {
        Reception::Visit(visit) => visit,
        Reception::Preflight(answer) => {
            witness.entered(cors::NAME, runtime.meter().protocol(cors::NAME));
            return answer;
        }
    };

    // What policies may judge by and no backend hears of.
    let approach = runtime.asks_for_approach().then(|| {
        let (uri, headers, peer) = (request.uri(), request.headers(), caller.peer);
        let approach = Approach::of(uri, headers, peer.map(|peer| peer.ip()), &caller.trust());
        let (local, version) = (caller.local, request.version());
        Arc::new(Approach { peer, local, method: request.method().clone(), version, ..approach })
    });

    // Which protocol, and which method: before any policy, for policies hang on the method.
    let door = runtime.door(&request);
    witness.entered(door.name(), runtime.meter().protocol(door.name()));
    *tongue = door.tongue();
    let mut call = match door.open(request, caller) {
        Opening::Call(call) => call,
        Opening::Session(session) => {
            return attend(runtime.clone(), *session, (caller, approach), mem::take(witness));
        }
        Opening::Answered(response) => {
            if let Some(Meant(method)) = response.extensions().get() {
                witness.meant(method, runtime.method_meter(method).shard(caller.worker));
            }
            return visit.mark(response);
        }
    };
    let shard = runtime.method_meter(&call.exchange.method).shard(caller.worker);
    witness.opened(&mut call.exchange, &call.route, shard);
    *tongue = call.answer.tongue();
    introduce(caller, approach, &mut call.exchange);

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

/// Whoever has shown a certificate is known to the stages, and how it came in.
fn introduce(caller: &Caller, approach: Option<Arc<Approach>>, exchange: &mut Exchange) {
    if let Some(approach) = approach {
        exchange.extensions.insert(approach);
    }
    if let Some(identity) = &caller.identity {
        exchange.extensions.insert(identity.clone());
    }
}

/// The same way where the answer goes out first: the rest of it is a task of its own.
fn attend(
    runtime: Arc<Runtime>,
    session: Session,
    (caller, approach): (&Caller, Option<Arc<Approach>>),
    mut witness: Witness,
) -> Response<ResponseBody> {
    let Session { mut exchange, route, mut response, talk } = session;
    let shard = runtime.method_meter(&exchange.method).shard(caller.worker);
    witness.opened(&mut exchange, &route, shard);
    witness.began(&mut response);
    introduce(caller, approach, &mut exchange);
    let stay = caller.stay();
    tokio::spawn(async move {
        // The same stages, and the backend behind them; both sides are live until the end.
        let chain = runtime.chain(&exchange.method.clone());
        let talk = talk.hold(chain.call(exchange), stay);
        let ending = AssertUnwindSafe(talk).catch_unwind().await;
        let ending = ending.unwrap_or_else(|panic| Ending::by(&bug(&*panic)));
        witness.parted(&ending);
    });
    response
}
