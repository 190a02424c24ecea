//! THE path of a request, top to bottom.

use std::{panic::AssertUnwindSafe, sync::Arc};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::{
    config::Runtime,
    observe::{self, Record},
    protocol::{Caller, Opening, ResponseBody, Written, body::bug, rest},
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
        let walk = self.walk(request, caller, record.as_deref_mut());
        let response = match AssertUnwindSafe(walk).catch_unwind().await {
            Ok(response) => response,
            Err(panic) => rest::failure(&bug(&*panic)),
        };
        observe::follow(record, response)
    }

    async fn walk(
        &self,
        request: Request<Incoming>,
        caller: &Caller,
        mut record: Option<&mut Record>,
    ) -> Response<ResponseBody> {
        // The snapshot that this request keeps, whatever is swapped in meanwhile.
        let runtime = self.runtime.load_full();

        // Which protocol, and which method: before any policy, for policies hang on the method.
        let door = runtime.door(&request);
        record.iter_mut().for_each(|record| record.entered(door.name()));
        let mut call = match door.open(request, caller) {
            Opening::Call(call) => call,
            Opening::Answered(response) => return response,
        };
        record.iter_mut().for_each(|record| record.opened(&mut call));
        // Whoever has shown a certificate is known to the stages.
        if let Some(identity) = &caller.identity {
            call.exchange.extensions.insert(identity.clone());
        }

        // The method's stages, and the backend behind them.
        let chain = runtime.chain(&call.exchange.method);
        let outcome = chain.call(call.exchange).await;

        // Back in the caller's tongue.
        match call.answer.write(outcome) {
            Written::Now(response) => response,
            Written::Later(response) => response.await,
        }
    }
}
