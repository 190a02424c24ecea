//! A cluster: endpoints that answer alike, and the way of a call to one of them.

use std::{future::poll_fn, sync::Arc, task::Poll};

use futures_util::future::BoxFuture;
use http::{HeaderMap, uri::PathAndQuery};
use tokio::time::{Instant, timeout_at};

use super::{
    balance::{Balance, Kind},
    call::{self, Body},
    connection::{Load, Opening},
    endpoint::{Lane, Slot, Target},
    fault::{Failure, Fault},
    reply::{Terms, receive},
    settings::{Address, Settings},
    tls::{self, Identity},
};
use crate::{
    coding::{Coding, Codings},
    error::{Code, Error, Origin},
    exchange::{Bound, Exchange, Messages, Packed, Reply, Upstream},
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
/// Messages that came packed leave packed where the backend is known to take that coding, and plain
/// elsewhere: a connection learns it from the first reply that tells. So the first packed call on
/// each is unpacked here, and so are all to backends that never tell; none fails for its coding.
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
        let Exchange { method, metadata, mut messages, deadline, limits, codings, worker, .. } =
            exchange;
        let mut coding = messages.coding();
        let terms = Terms {
            limit: limits.response_message,
            streaming: method.server_streaming,
            codings,
            learns: coding.is_some(),
            journal: exchange.journal,
            started: Instant::now(),
        };
        let body = if method.client_streaming {
            Body::Many(std::mem::replace(&mut messages, Messages::none()))
        } else {
            let message = only_message(&mut messages).await?;
            coding = message.coding;
            Body::One(message)
        };
        let mut headers = call::head(metadata);
        call::ask_for(&mut headers, codings);
        let path = &method.path;
        let search = Search { deadline, worker, tried: 0, avoid: None };
        let bound = Bound { limit: limits.request_message, origin: Origin::Downstream };
        let mut way = Way { path, headers, body, coding, bound, trusts: true, search };
        loop {
            match self.attempt(&mut way, &terms).await {
                Ok(reply) => return Ok(reply),
                Err(Failure::Unprocessed(_)) if way.may_retry() => way.search.tried += 1,
                Err(Failure::Final(error)) if way.may_be_for_its_coding(&error) => {
                    way.search.tried += 1;
                    way.trusts = false;
                }
                Err(Failure::Unprocessed(error) | Failure::Final(error)) => return Err(error),
            }
        }
    }

    /// One attempt: a connection, a stream on it, the call.
    async fn attempt(&self, way: &mut Way<'_>, terms: &Terms) -> Result<Reply, Failure> {
        for _ in 0..STALE {
            let slot = self.acquire(&way.search).await?;
            call::set_timeout(&mut way.headers, way.search.deadline)?;
            let was_packed = way.coding.is_some();
            let coding = way.settle_coding(slot.connection().takes())?;
            if was_packed {
                call::set_coding(&mut way.headers, coding);
            }
            let body = call::at_hand(&way.body)?;
            let opening = slot.connection().open(slot.target(), way.path, &way.headers, body);
            let reply = match opening {
                Opening::Opened(reply) => reply,
                Opening::Invalid(why) => return Err(call::invalid(why).into()),
                Opening::Gone => {
                    slot.retire();
                    continue;
                }
            };
            way.search.avoid = Some(slot.connection().load.clone());
            let pump = call::follow(&mut way.body, &reply, coding.is_some());
            let journal = terms.journal.as_ref().map(|journal| (journal, slot.target().clone()));
            let result = receive(reply, pump, slot, terms.clone()).await;
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
    async fn acquire(&self, search: &Search) -> Result<Slot, Error> {
        let first = self.balance.first(search.worker, self.endpoints.len()) + search.tried;
        match self.lane(first, search.worker).try_acquire(search.avoid.as_ref()) {
            Some(slot) => Ok(slot),
            None => Box::pin(self.wait(first, search)).await,
        }
    }

    /// The same where no place is free: dials, waits, and looks at the other endpoints.
    async fn wait(&self, first: usize, search: &Search) -> Result<Slot, Error> {
        let count = self.endpoints.len();
        let lanes = || (first..first + count).map(|place| self.lane(place, search.worker));
        // Endpoints that were down when last seen are looked at last.
        let (sound, suspect): (Vec<_>, Vec<_>) = lanes().partition(|lane| !lane.is_suspect());
        let mut failed = None;
        for lane in sound.into_iter().chain(suspect) {
            let place = lane.acquire(search.avoid.as_ref());
            let place = match search.deadline {
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

/// What all attempts of a call have in common.
struct Way<'a> {
    path: &'a PathAndQuery,
    headers: HeaderMap,
    body: Body,
    /// What the body's messages may be packed with.
    coding: Option<Coding>,
    /// How far they may grow.
    bound: Bound,
    /// Whether what a connection has told of its backend is believed.
    trusts: bool,
    search: Search,
}

/// What kind of place an attempt looks for.
struct Search {
    deadline: Option<Instant>,
    worker: usize,
    /// How many attempts were made before.
    tried: usize,
    /// The connection of the attempt before.
    avoid: Option<Arc<Load>>,
}

impl Way<'_> {
    /// Whether the call could be sent once more.
    fn may_retry(&self) -> bool {
        self.search.tried < RETRIES && matches!(self.body, Body::One(_))
    }

    /// Whether the backend may have refused the call for its coding alone, although it has told that
    /// it takes it: behind one connection there may be several backends.
    fn may_be_for_its_coding(&self, error: &Error) -> bool {
        error.code() == Code::Unimplemented && self.coding.is_some() && self.may_retry()
    }

    /// What the messages leave packed with, to a backend that takes these codings. The one message
    /// is unpacked if need be.
    fn settle_coding(&mut self, takes: Codings) -> Result<Option<Coding>, Error> {
        let Some(coding) = self.coding else { return Ok(None) };
        if self.trusts && takes.contains(coding) {
            return Ok(Some(coding));
        }
        if let Body::One(message) = &mut self.body {
            *message = Packed::plain(message.clone().unpack(self.bound)?);
            self.coding = None;
        }
        Ok(None)
    }
}

impl Upstream for Cluster {
    fn call(&self, exchange: Exchange) -> BoxFuture<'_, Result<Reply, Error>> {
        Box::pin(self.run(exchange))
    }
}

/// The message of a method that takes a single one. It is not waited for what may come after it,
/// but a second one that is here already is refused.
async fn only_message(messages: &mut Messages) -> Result<Packed, Error> {
    let Some(message) = messages.next_packed().await.transpose()? else {
        return Err(Error::invalid(
            "request_message_missing",
            "the method takes one message, but none was sent",
        ));
    };
    match poll_fn(|cx| Poll::Ready(messages.poll_packed(cx))).await {
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
