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
        let mut record = Record::begin(&request, caller.peer);
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;
    use http_body_util::{BodyExt, Empty};
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;

    use super::*;
    use crate::{protocol::Door, schema::Schema};

    const BOOKSHELF: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bookshelf.binpb"));

    struct Faulty;

    impl Door for Faulty {
        fn name(&self) -> &'static str {
            "faulty"
        }

        fn knows(&self, _: &Request<Incoming>) -> bool {
            true
        }

        fn open(&self, request: Request<Incoming>, _: &Caller) -> Opening {
            assert!(request.uri().path() != "/bug", "a bug");
            Opening::Answered(Response::new(ResponseBody::whole("well")))
        }
    }

    #[tokio::test]
    async fn panic_costs_its_own_request_alone() {
        let (schema, _) = Schema::builder().add_descriptor_set("bookshelf", BOOKSHELF).build();
        let runtime = Runtime::of_door(schema.unwrap(), Box::new(Faulty));
        let gateway = Arc::new(Gateway::new(Arc::new(runtime)));
        let service = service_fn(move |request| {
            let gateway = gateway.clone();
            async move {
                let caller = Caller::new(None, "http", 0);
                Ok::<_, std::convert::Infallible>(gateway.serve(request, &caller).await)
            }
        });
        let (client, server) = tokio::io::duplex(1 << 16);
        let builder = hyper::server::conn::http1::Builder::new();
        tokio::spawn(builder.serve_connection(TokioIo::new(server), service));
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(client));
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        for (path, status, text) in [
            (
                "/bug",
                500,
                r#"{"code":13,"message":"the gateway failed on this request","details":[]}"#,
            ),
            ("/well", 200, "well"),
        ] {
            let request = Request::get(path).body(Empty::<Bytes>::new()).unwrap();
            sender.ready().await.unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::from_u16(status).unwrap());
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), text);
        }
    }
}
