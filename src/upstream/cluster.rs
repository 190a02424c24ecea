//! A cluster: endpoints that answer alike, and the way of a call to one of them.

use std::{future::poll_fn, sync::Arc, task::Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, uri::PathAndQuery};
use tokio::time::{Instant, timeout_at};

use super::{
    balance::{Balance, Kind},
    call::{self, Body},
    connection::{Load, Opening},
    endpoint::{Lane, Slot, Target},
    fault::{Failure, Fault},
    reply::Terms,
    settings::{Address, Settings},
    tls::{self, Identity},
};
use crate::{
    error::Error,
    exchange::{Exchange, Messages, Reply, Upstream},
    problem::Problem,
};

/// How often a call that no backend has processed is tried again.
const RETRIES: usize = 2;

/// How many connections a call may find closed before it was sent, until it is given up.
const STALE: usize = 8;

/// Backends that answer alike, called in turn.
///
/// Each worker has connections of its own, made on demand. Dropping the cluster closes them when
/// the calls in flight have ended.
///
/// The deadline of an exchange is sent along as `grpc-timeout` and bounds the wait for a
/// connection. Ending a call that overruns it is the caller's part: dropping the future or the
/// reply cancels the call.
pub struct Cluster {
    name: Arc<str>,
    balance: Balance,
    endpoints: Box<[Endpoint]>,
}

/// One endpoint: a lane for each worker.
struct Endpoint {
    lanes: Box<[Arc<Lane>]>,
}

impl Cluster {
    /// Makes a cluster for this many worker threads (at least one). Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// All problems of the settings, their paths relative to the settings (`endpoints[0]`).
    pub fn new(name: &str, settings: &Settings, workers: usize) -> Result<Arc<Self>, Vec<Problem>> {
        let mut problems = Vec::new();
        let workers = workers.max(1);
        let addresses = settings.addresses(&mut problems);
        let targets = targets(settings, addresses, &mut problems);
        if problems.iter().any(Problem::is_error) {
            return Err(problems);
        }
        let endpoint = |target: Arc<Target>| Endpoint {
            lanes: (0..workers).map(|_| Lane::new(target.clone())).collect(),
        };
        Ok(Arc::new(Self {
            name: name.into(),
            balance: Balance::new(Kind::RoundRobin, workers),
            endpoints: targets.into_iter().map(endpoint).collect(),
        }))
    }

    /// The name that the configuration gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many connections stand in one lane.
    #[cfg(test)]
    pub(super) fn connections(&self, endpoint: usize, worker: usize) -> usize {
        self.lane(endpoint, worker).connections()
    }

    async fn run(&self, exchange: Exchange) -> Result<Reply, Error> {
        let Exchange { method, metadata, mut messages, deadline, limits, worker, .. } = exchange;
        let terms = Terms {
            limit: limits.response_message,
            streaming: method.server_streaming,
            journal: exchange.journal,
            started: Instant::now(),
        };
        let mut body = if method.client_streaming {
            Body::Many(std::mem::replace(&mut messages, Messages::none()))
        } else {
            Body::One(only_message(&mut messages).await?)
        };
        let mut headers = call::head(metadata);
        let mut way = Way { path: &method.path, deadline, worker, tried: 0, avoid: None };
        loop {
            // A copy of what may be sent again; the last attempt needs none.
            let spare = match &body {
                Body::One(message) if way.tried < RETRIES => {
                    Some((headers.clone(), Body::One(message.clone())))
                }
                _ => None,
            };
            let result = self.attempt(&mut way, headers, body, terms.clone()).await;
            match (result, spare) {
                (Ok(reply), _) => return Ok(reply),
                (Err(Failure::Unprocessed(_)), Some(spare)) => (headers, body) = spare,
                (Err(Failure::Unprocessed(error) | Failure::Final(error)), _) => return Err(error),
            }
            way.tried += 1;
        }
    }

    /// One attempt: a connection, a stream on it, the call.
    async fn attempt(
        &self,
        way: &mut Way<'_>,
        mut headers: HeaderMap,
        body: Body,
        terms: Terms,
    ) -> Result<Reply, Failure> {
        for _ in 0..STALE {
            let slot = self.acquire(way).await?;
            call::set_timeout(&mut headers, way.deadline)?;
            let request = call::request(slot.target(), way.path, headers)?;
            let (response, stream) = match slot.connection().open(request) {
                Opening::Opened(response, stream) => (response, stream),
                Opening::Invalid(error) => return Err(call::invalid(error).into()),
                Opening::Gone(request) => {
                    headers = request.into_parts().0.headers;
                    slot.retire();
                    continue;
                }
            };
            way.avoid = Some(slot.connection().load.clone());
            let journal = terms.journal.clone().map(|journal| (journal, slot.target().clone()));
            let result = call::exchange(response, stream, body, slot, terms).await;
            if let Some((journal, target)) = journal
                && !matches!(result, Err(Failure::Unprocessed(_)))
            {
                let _ = journal.endpoint.set(target.name.clone());
            }
            return result;
        }
        Err(Failure::Final(Error::unavailable(
            "upstream_lost",
            "the backend closes its connections as soon as they are made",
        )))
    }

    /// A place on a connection of the endpoint whose turn it is.
    async fn acquire(&self, way: &Way<'_>) -> Result<Slot, Error> {
        let first = self.balance.first(way.worker, self.endpoints.len()) + way.tried;
        match self.lane(first, way.worker).try_acquire(way.avoid.as_ref()) {
            Some(slot) => Ok(slot),
            None => Box::pin(self.wait(first, way)).await,
        }
    }

    /// The same where no place is free: dials, waits, and looks at the other endpoints.
    async fn wait(&self, first: usize, way: &Way<'_>) -> Result<Slot, Error> {
        let count = self.endpoints.len();
        let lanes = || (first..first + count).map(|place| self.lane(place, way.worker));
        // Endpoints that were down when last seen are looked at last.
        let (sound, suspect): (Vec<_>, Vec<_>) = lanes().partition(|lane| !lane.is_suspect());
        let mut failed = None;
        for lane in sound.into_iter().chain(suspect) {
            let place = lane.acquire(way.avoid.as_ref());
            let place = match way.deadline {
                None => place.await,
                Some(deadline) => timeout_at(deadline, place).await.map_err(|_| {
                    let waited = format!("{}: waited for a connection", lane.target.name);
                    Error::deadline_exceeded().with_source(waited)
                })?,
            };
            match place {
                Ok(slot) => return Ok(slot),
                Err(fault) => failed = Some(fault.to_error(&lane.target.name)),
            }
        }
        Err(failed.unwrap_or_else(|| Fault::abandoned().to_error(&self.name)))
    }

    fn lane(&self, place: usize, worker: usize) -> &Arc<Lane> {
        let lanes = &self.endpoints[place % self.endpoints.len()].lanes;
        &lanes[worker % lanes.len()]
    }
}

/// What all attempts of a call have in common, and what was learnt so far.
struct Way<'a> {
    path: &'a PathAndQuery,
    deadline: Option<Instant>,
    worker: usize,
    tried: usize,
    /// The connection of the last attempt.
    avoid: Option<Arc<Load>>,
}

impl Upstream for Cluster {
    fn call(&self, exchange: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(self.run(exchange))
    }
}

/// The message of a method that takes a single one. It is not waited for what may come after it,
/// but a second one that is here already is refused.
async fn only_message(messages: &mut Messages) -> Result<Bytes, Error> {
    let Some(message) = messages.next().await.transpose()? else {
        return Err(Error::invalid(
            "request_message_missing",
            "the method takes one message, but none was sent",
        ));
    };
    match poll_fn(|cx| Poll::Ready(messages.poll_message(cx))).await {
        Poll::Ready(Some(Ok(_))) => Err(Error::invalid(
            "request_message_twice",
            "the method takes one message, but more were sent",
        )),
        Poll::Ready(Some(Err(error))) => Err(error),
        Poll::Ready(None) | Poll::Pending => Ok(message),
    }
}

fn targets(
    settings: &Settings,
    addresses: Vec<Address>,
    problems: &mut Vec<Problem>,
) -> Vec<Arc<Target>> {
    let own = settings.tls.clone().unwrap_or_default();
    let config = match addresses.iter().any(Address::is_tls) || settings.tls.is_some() {
        true => tls::client_config(&own, problems),
        false => None,
    };
    let mut targets = Vec::with_capacity(addresses.len());
    for address in addresses {
        let identity = if address.is_tls() {
            let server_name = tls::server_name(&own, &address, problems);
            config.clone().zip(server_name)
        } else {
            None
        };
        targets.push(Arc::new(Target {
            name: address.authority.as_str().into(),
            address,
            tls: identity.map(|(config, server_name)| Identity { config, server_name }),
            connect_timeout: settings.connect_timeout,
            keepalive: settings.keepalive.clone(),
            connections: settings.connections,
        }));
    }
    targets
}
