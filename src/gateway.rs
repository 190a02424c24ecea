//! THE path of a request, top to bottom.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::{
    config::Runtime,
    error::{Code, Error},
    observe::{self, Record},
    protocol::{Caller, Opening, ResponseBody, Written, rest},
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
        let walk = AssertUnwindSafe(self.walk(request, caller)).catch_unwind();
        walk.await.unwrap_or_else(|panic| refuse_bug(&*panic))
    }

    async fn walk(&self, request: Request<Incoming>, caller: &Caller) -> Response<ResponseBody> {
        // The snapshot that this request keeps, whatever is swapped in meanwhile.
        let runtime = self.runtime.load_full();
        let mut record = Record::begin(&request, caller.peer);

        // Which protocol, and which method: before any policy, for policies hang on the method.
        let door = runtime.door(&request);
        let mut call = match door.open(request, caller) {
            Opening::Call(call) => call,
            Opening::Answered(response, error) => {
                record.iter_mut().for_each(|r| r.answered(door.name(), error.as_ref()));
                return observe::follow(record, response);
            }
        };
        record.iter_mut().for_each(|record| record.opened(door.name(), &mut call));

        // The method's stages, and the backend behind them.
        let chain = runtime.chain(&call.exchange.method);
        let outcome = chain.call(call.exchange).await;
        record.iter_mut().for_each(|record| record.outcome(outcome.as_ref().err()));
        outcome.as_ref().err().inspect(|error| log(error));

        // Back in the caller's tongue.
        let response = match call.answer.write(outcome) {
            Written::Now(response) => response,
            Written::Later(response) => response.await,
        };
        observe::follow(record, response)
    }
}

/// Tells the operator what the caller must not know.
fn log(error: &Error) {
    if let Some(source) = std::error::Error::source(error) {
        tracing::debug!(code = %error.code(), reason = error.reason(), source, "{}", error.message());
    }
}

#[cold]
fn refuse_bug(panic: &(dyn Any + Send)) -> Response<ResponseBody> {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("?"), "a request met a bug in the gateway");
    rest::failure(&Error::new(Code::Internal, "bug", "the gateway failed on this request"))
}
