//! Retries and hedges on paused time, before backends that answer as they are told.

mod attempts;
mod hedges;
mod policy;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    error::{Code, Error, Origin},
    exchange::{Attempt, Exchange, Messages, Metadata, Reply, Upstream},
    schema::{Idempotency, Method},
    stage::{
        Chain,
        testing::{build, chain, method},
    },
};

/// What a backend does with one attempt: after this time, this outcome.
#[derive(Clone, Copy)]
struct Act {
    after: u64,
    outcome: Result<&'static [u8], (Code, Option<&'static str>)>,
}

fn fails(code: Code) -> Act {
    Act { after: 0, outcome: Err((code, None)) }
}

fn pushes_back(code: Code, pushback: &'static str) -> Act {
    Act { after: 0, outcome: Err((code, Some(pushback))) }
}

fn answers(message: &'static str) -> Act {
    Act { after: 0, outcome: Ok(message.as_bytes()) }
}

impl Act {
    fn after(self, after: u64) -> Self {
        Self { after, ..self }
    }
}

/// What a backend saw of one attempt.
#[derive(Debug)]
struct Seen {
    /// Since the call began.
    at: u64,
    number: u32,
    previous: Option<String>,
    deadline: Option<u64>,
    message: Vec<u8>,
    /// Whether it was let finish.
    finished: bool,
}

/// A backend that acts by a script, and the last act over and over.
#[derive(Clone)]
struct Script {
    acts: Arc<Mutex<VecDeque<Act>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    start: Instant,
}

impl Script {
    fn of(acts: impl IntoIterator<Item = Act>) -> Self {
        let acts = Arc::new(Mutex::new(acts.into_iter().collect()));
        Self { acts, seen: Arc::default(), start: Instant::now() }
    }

    fn times(&self) -> Vec<u64> {
        self.seen.lock().unwrap().iter().map(|seen| seen.at).collect()
    }

    fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    fn note(&self, mut exchange: Exchange) -> usize {
        let previous = exchange.metadata.remove("grpc-previous-rpc-attempts");
        let since = |time: Instant| time.duration_since(self.start).as_millis() as u64;
        let mut seen = self.seen.lock().unwrap();
        seen.push(Seen {
            at: since(Instant::now()),
            number: exchange.extensions.get::<Attempt>().map_or(0, Attempt::number),
            previous: previous.map(|value| value.to_str().unwrap().to_owned()),
            deadline: exchange.deadline.map(since),
            message: exchange.messages.as_one().expect("a message at hand").to_vec(),
            finished: false,
        });
        seen.len() - 1
    }
}

impl Upstream for Script {
    fn call(&self, exchange: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        let place = self.note(exchange);
        let mut acts = self.acts.lock().unwrap();
        let act = if acts.len() > 1 { acts.pop_front() } else { acts.front().copied() };
        let act = act.expect("an act");
        Box::pin(async move {
            sleep(Duration::from_millis(act.after)).await;
            self.seen.lock().unwrap()[place].finished = true;
            let (code, pushback) = match act.outcome {
                Ok(message) => {
                    let messages = Messages::one(message.into());
                    return Ok(Reply { metadata: Metadata::new(), messages });
                }
                Err(failure) => failure,
            };
            let mut error = Error::new(code, "upstream_status", "").with_origin(Origin::Upstream);
            if let Some(pushback) = pushback {
                let value = pushback.parse().unwrap();
                error.lead_mut().insert("grpc-retry-pushback-ms", value);
            }
            Err(error)
        })
    }
}

/// A method that may be repeated.
fn idempotent() -> Method {
    Method { idempotency: Idempotency::Idempotent, ..method(false) }
}

/// The stage before the script.
fn retrying(settings: Value, script: &Script) -> Chain {
    let stage = build("retry", Some(settings), &idempotent()).expect("good settings");
    chain(stage.expect("a stage"), script.clone())
}

/// The answer's message, or the failure's code.
async fn outcome(outcome: Result<Reply, Error>) -> Result<Vec<u8>, Code> {
    let mut reply = outcome.map_err(|error| error.code())?;
    Ok(reply.messages.next().await.unwrap().unwrap().to_vec())
}
