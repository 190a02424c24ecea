//! `headers`: adds, sets and removes metadata on the way up and on the way back.
//!
//! ```yaml
//! services:
//!   "bookshelf.v1.*":
//!     headers:
//!       request:
//!         remove: [x-debug]
//!         set: { x-tenant: library }
//!       response:
//!         add: { cache-control: [private, "max-age=60"] }
//! ```
//!
//! Within one direction `remove` goes first, then `set`, then `add`. The response's changes are
//! made on a reply's headers and on an error's metadata alike. Names that the gateway or a
//! protocol keeps for itself are refused at start-up.

mod change;
mod settings;

use futures_util::future::BoxFuture;

pub use settings::{Changes, Settings, Values};

use self::change::Edits;
use super::{Blueprint, Built, Entry, Next, Stage, read_settings};
use crate::{
    error::Error,
    exchange::{Exchange, Reply},
};

/// The stage's line in the table.
pub(super) const ENTRY: Entry = Entry {
    name: "headers",
    summary: "Adds, sets and removes headers: `request` on the way to the backend, `response` \
              on the way back.",
    json_schema: |generator| generator.subschema_for::<Settings>(),
    build,
};

fn build(blueprint: &Blueprint<'_>) -> Built {
    let settings = blueprint.settings;
    let Some(value) = settings else { return Ok(None) };
    let settings = read_settings::<Settings>(value)?;
    let stage = Headers {
        request: Edits::compile("request", &settings.request)?,
        response: Edits::compile("response", &settings.response)?,
    };
    let idle = stage.request.is_empty() && stage.response.is_empty();
    Ok((!idle).then(|| Box::new(stage) as Box<dyn Stage>))
}

/// The stage at work.
struct Headers {
    request: Edits,
    response: Edits,
}

impl Stage for Headers {
    fn call<'a>(
        &'a self,
        mut exchange: Exchange,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Reply, Error>> {
        self.request.apply(&mut exchange.metadata);
        let call = next.call(exchange);
        if self.response.is_empty() {
            return call;
        }
        Box::pin(async move {
            let mut outcome = call.await;
            self.response.apply(match &mut outcome {
                Ok(reply) => &mut reply.metadata,
                Err(error) => error.lead_mut(),
            });
            outcome
        })
    }
}

#[cfg(test)]
mod tests;
