//! A cluster: endpoints that answer alike, and the way of a call to one of them.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use futures_util::future::BoxFuture;
use http::{HeaderMap, uri::PathAndQuery};
use tokio::time::Instant;

use super::{
    balance::{Dice, KeyReader},
    breaker::{Breaker, Kind},
    call::{self, Body},
    connection::Opening,
    discovery::{Discovery, Located, Watch},
    fault::Failure,
    guard::Guard,
    mold::Mold,
    pool::{Endpoint, EndpointSet, Member, Pool},
    reply::{Terms, receive},
    search::{Refused, Search},
    settings::Settings,
};
use crate::{
    coding::{Coding, Codings},
    error::{Code, Error, Origin},
    exchange::{Attempt, Bound, Exchange, Messages, Packed, Reply, Upstream},
    lasting::Lasting,
    problem::Problem,
};

/// How often a call that no backend has processed is tried again.
const RETRIES: usize = 2;

/// How many connections a call may find closed before it was sent, until it is given up.
const STALE: usize = 8;

/// Backends that answer alike.
///
/// Each worker has connections of its own, made on demand. Endpoints come and go; where the last
/// cluster with an endpoint is dropped, its connections are closed when the calls in flight have
/// ended.
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
    pub(super) pool: Pool,
    pub(super) dice: Dice,
    /// What calls have in common that go to one endpoint.
    key: Option<KeyReader>,
    pub(super) breaker: Arc<Breaker>,
    /// Who looks after the endpoints, once it is asked for.
    guard: Guard,
    /// Makes endpoints of what is found, and keeps them for the next cluster of this name.
    pub(super) mold: Mold,
    /// Who finds them, if they don't stand in the settings.
    pub(super) watch: Option<Arc<Watch>>,
}

impl Cluster {
    /// Makes a cluster for this many worker threads (at least one). Endpoints that `lasting` still
    /// has from a cluster of this name are the same again, with their connections and their
    /// standing; to others nothing is connected yet.
    ///
    /// # Errors
    ///
    /// All problems of the settings, their paths relative to the settings (`endpoints[0]`).
    pub fn new(
        name: &str,
        settings: &Settings,
        workers: usize,
        lasting: &Lasting,
    ) -> Result<Arc<Self>, Vec<Problem>> {
        let kept = lasting.keep(&format!("cluster {name}"), Lasting::new);
        let (mold, members) = members(settings, workers, kept)?;
        let spread = settings.balance.0.clone();
        let key = spread.key.as_ref().and_then(KeyReader::new);
        let pool = Pool::new(spread, workers, mold.changes().clone());
        pool.replace(EndpointSet::new(members));
        let (dice, watch) = (Dice::new(workers), mold.watch());
        let breaker = mold.breaker().clone();
        breaker.limit(&settings.breaker);
        let guard = Guard::new(settings);
        let name = name.into();
        let cluster = Arc::new(Self { name, pool, dice, key, breaker, guard, mold, watch });
        cluster.follow();
        Ok(cluster)
    }

    /// Tells what is wrong with the settings, and makes nothing.
    ///
    /// # Errors
    ///
    /// As [`Cluster::new`].
    pub fn check(settings: &Settings) -> Result<(), Vec<Problem>> {
        members(settings, 1, Arc::new(Lasting::new())).map(drop)
    }

    /// Begins to look after the endpoints, as far as the settings ask for it, on the runtime of
    /// whoever calls: once for each cluster that serves, and until it is dropped.
    pub fn look_after(self: &Arc<Self>) {
        self.guard.start(self);
    }

    /// The name that the configuration gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who there is now: to show it, and to note what was found out about them. An endpoint that
    /// has gone meanwhile takes no harm.
    pub fn endpoints(&self) -> Arc<EndpointSet> {
        self.pool.set()
    }

    /// Calls one endpoint and no other, whatever is known of it. How the call ends is not held for
    /// or against it: that is the way of health checks.
    ///
    /// # Errors
    ///
    /// As every call; the connection can't be made, or the backend says so.
    pub async fn call_at(
        &self,
        endpoint: &Arc<Endpoint>,
        exchange: Exchange,
    ) -> Result<Reply, Error> {
        self.run(exchange, Some(endpoint.clone())).await
    }

    async fn run(&self, exchange: Exchange, only: Option<Arc<Endpoint>>) -> Result<Reply, Error> {
        let key = self.key.as_ref().and_then(|key| key.read(&exchange));
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
            let message = messages.only().await?;
            coding = message.coding;
            Body::One(message)
        };
        let mut headers = call::head(metadata);
        call::ask_for(&mut headers, codings);
        let path = &method.path;
        let attempt = exchange.extensions.get::<Attempt>().cloned();
        // Further attempts of a call are counted until their replies begin.
        let _retry = match attempt.as_ref().is_some_and(|attempt| attempt.number() > 0) {
            true => Some(self.breaker.admit(Kind::Retries)?),
            false => None,
        };
        let now = terms.started;
        let search = Search { deadline, worker, key, now, tried: 0, avoid: None, attempt, only };
        let bound = Bound { limit: limits.request_message, origin: Origin::Downstream };
        let mut way = Way { path, headers, body, coding, bound, trusts: true, search };
        loop {
            match self.attempt(&mut way, &terms).await {
                Ok(reply) => return Ok(reply),
                Err(Failure::Unprocessed(_)) if way.may_retry() => {
                    self.mold.sent_again().fetch_add(1, Relaxed);
                    way.search.tried += 1;
                }
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
            let mut slot = self.acquire(&way.search).await?;
            if way.search.only.is_none() {
                slot.hold(self.breaker.admit(Kind::Requests)?);
            }
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
            way.search.avoid = Some(Refused::of(&slot));
            if let Some(attempt) = &way.search.attempt {
                attempt.note(&slot.target().name);
            }
            if let Some(journal) = &terms.journal {
                journal.turn_to(&slot.target().name);
            }
            if way.search.only.is_none() {
                slot.begin(way.search.deadline);
            }
            let pump = call::follow(&mut way.body, &reply, coding.is_some());
            let result = receive(reply, pump, slot, terms.clone()).await;
            // Of attempts beside each other it is the one that answers first.
            return match (result, &terms.journal, way.search.before()) {
                (Ok(reply), Some(journal), Some(name)) => {
                    journal.endpoint.set(name.clone());
                    Ok(reply)
                }
                (Err(failure), _, Some(name)) => Err(failure.at(name.clone())),
                (result, ..) => result,
            };
        }
        Err(Failure::Final(Error::unavailable(
            "upstream_lost",
            "the backend closes its connections as soon as they are made",
        )))
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
        Box::pin(self.run(exchange, None))
    }
}

/// The endpoints that the settings name.
pub(super) fn members(
    settings: &Settings,
    workers: usize,
    kept: Arc<Lasting>,
) -> Result<(Mold, Vec<Member>), Vec<Problem>> {
    let mut problems = Vec::new();
    let addresses = settings.addresses(&mut problems);
    let is_tls = addresses.iter().any(|(address, _)| address.is_tls())
        || settings.discovery.as_ref().is_some_and(Discovery::may_be_tls);
    let mold = Mold::new(settings, is_tls, workers, kept, &mut problems);
    let mut members = Vec::with_capacity(addresses.len());
    for (address, weight) in addresses {
        match mold.member(Located { address, weight, priority: 0 }) {
            Ok(member) => members.push(member),
            Err(found) => problems.extend(found),
        }
    }
    match problems.iter().any(Problem::is_error) {
        true => Err(problems),
        false => Ok((mold, members)),
    }
}
