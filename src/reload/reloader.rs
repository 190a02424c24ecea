//! Who takes another configuration when there is one.

use std::{convert::Infallible, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};

use super::{
    Outcome, Reason, Standing, Verdict,
    build::{self, Hindrance, Reading, Ready},
    watch::{Due, Watch},
};
use crate::{
    config::{File, Inputs, Loaded, Reflections, Runtime},
    gateway::Gateway,
    lasting::Lasting,
    listener::{BindError, Server},
    problem::Problem,
};

/// Reads the configuration anew.
type Load = Arc<dyn Fn() -> Loaded + Send + Sync>;

/// With what the program has begun to serve.
pub struct Start {
    /// Reads the configuration anew.
    pub load: Box<dyn Fn() -> Loaded + Send + Sync>,
    /// What it was read from, and the digest of that before it was read.
    pub inputs: (Inputs, u64),
    /// The configuration in force.
    pub file: File,
    /// The same for people to see.
    pub shown: serde_json::Value,
    /// What was worth knowing about it.
    pub warnings: Vec<Problem>,
    /// How many worker threads serve.
    pub workers: usize,
    /// What upstreams have told of their schema so far.
    pub reflections: Arc<Reflections>,
}

/// Watches over the configuration, and swaps what is served by when it has changed.
pub struct Reloader {
    load: Load,
    lasting: Arc<Lasting>,
    reflections: Arc<Reflections>,
    gateway: Arc<Gateway>,
    workers: usize,
    standing: Arc<Standing>,
    watch: Watch,
    /// The digests of what is in force: of files, and of what upstreams told.
    served: (u64, u64),
    orders: mpsc::Receiver<Order>,
    /// What was in force before, and may still be used.
    retired: Vec<Arc<Runtime>>,
}

/// Somebody wants the configuration read anew, and waits for what comes of it.
struct Order {
    reason: Reason,
    reply: oneshot::Sender<Arc<Outcome>>,
}

/// Where a reload can be asked for.
#[derive(Clone)]
pub struct Desk(mpsc::Sender<Order>);

impl Desk {
    /// Has the configuration read anew; `None` if the gateway ends before it could be.
    pub async fn reload(&self, reason: Reason) -> Option<Arc<Outcome>> {
        let (reply, outcome) = oneshot::channel();
        self.0.send(Order { reason, reply }).await.ok()?;
        outcome.await.ok()
    }
}

impl Reloader {
    /// Begins to watch; nothing happens until [`Reloader::run`].
    pub fn new(
        start: Start,
        gateway: Arc<Gateway>,
        lasting: Arc<Lasting>,
    ) -> (Self, Desk, Arc<Standing>) {
        let Start { load, inputs, file, shown, warnings, workers, reflections } = start;
        let (inputs, digest) = inputs;
        let (desk, orders) = mpsc::channel(16);
        let watch = Watch::new(&file, inputs, digest);
        let first = Arc::new(Outcome::new(Reason::Start, Verdict::Taken, warnings));
        let (file, shown) = (Arc::new(file), Arc::new(shown));
        let runtime = gateway.runtime();
        let standing = Arc::new(Standing::new(&lasting, runtime.meter(), file, shown, first));
        let served = (digest, reflections.digest());
        let load = Arc::from(load);
        let reloader = Self {
            load,
            lasting,
            reflections,
            gateway,
            workers,
            standing: standing.clone(),
            watch,
            served,
            orders,
            retired: Vec::new(),
        };
        (reloader, Desk(desk), standing)
    }

    /// Takes what changes, until it is dropped. Runs on the control thread; what takes time is done
    /// by blocking tasks.
    pub async fn run(mut self, server: &mut Server) -> Infallible {
        loop {
            let order = tokio::select! {
                Some(order) = self.orders.recv() => Ok(order),
                due = self.watch.due() => Err(due),
            };
            match order {
                Ok(Order { reason, reply }) => {
                    let outcome = self.reload(reason, server).await;
                    // Who asked may have gone.
                    let _ = reply.send(outcome);
                }
                Err(Due::Look) => self.look(server).await,
                Err(Due::Ask(upstream)) => self.ask(&upstream, server).await,
                Err(Due::Retry) => drop(self.reload(Reason::Retry, server).await),
            }
        }
    }

    async fn look(&mut self, server: &mut Server) {
        self.put_away();
        // A panic there is a bug, which has been told.
        let Ok(Some(seen)) = spawn_blocking(self.watch.look()).await else { return };
        if self.watch.saw(seen) {
            self.reload(Reason::Files, server).await;
        }
    }

    async fn ask(&mut self, upstream: &str, server: &mut Server) {
        let failed =
            |failures: &[(String, String)]| failures.iter().any(|(name, _)| name == upstream);
        let failed_before = failed(&self.reflections.failures());
        self.reflections.ask_one(&self.standing.file(), upstream).await;
        let failures = self.reflections.failures();
        if failed(&failures) && !failed_before {
            let reason = failures.iter().find(|(name, _)| name == upstream);
            let reason = reason.map(|(_, reason)| reason.as_str());
            tracing::warn!(upstream, reason, "its schema can't be asked for; the last one stands");
        }
        if self.reflections.digest() != self.served.1 {
            self.reload(Reason::Reflection, server).await;
        }
    }

    /// Drops the runtimes that nobody uses any more where it holds nobody up: a large schema takes
    /// its time, and the last call to use it should not pay for that.
    fn put_away(&mut self) {
        let unused = self.retired.extract_if(.., |runtime| Arc::strong_count(runtime) == 1);
        let unused: Vec<_> = unused.collect();
        if !unused.is_empty() {
            spawn_blocking(move || drop(unused));
        }
    }

    /// Makes one attempt, and tells everybody what came of it.
    async fn reload(&mut self, reason: Reason, server: &mut Server) -> Arc<Outcome> {
        let outcome = Arc::new(self.attempt(reason, server).await);
        self.put_away();
        outcome.log();
        self.standing.note(outcome.clone());
        outcome
    }

    async fn attempt(&mut self, reason: Reason, server: &mut Server) -> Outcome {
        let load = self.load.clone();
        let Ok(Reading { loaded, inputs, digest }) =
            spawn_blocking(move || build::read(&*load)).await
        else {
            return bug(reason);
        };
        if reason.asks() && !loaded.problems.iter().any(Problem::is_error) {
            self.reflections.ask(&loaded.file).await;
        }
        self.watch.tried(inputs, digest);
        let found = (digest, self.reflections.digest());
        if found == self.served {
            return Outcome::new(reason, Verdict::Unchanged, Vec::new());
        }
        let (schema, file) = (self.gateway.runtime().schema().clone(), self.standing.file());
        let (lasting, workers) = (self.lasting.clone(), self.workers);
        let built =
            spawn_blocking(move || build::build(loaded, (&schema, &file), workers, &lasting));
        match built.await {
            Ok(Ok(ready)) => self.take(reason, ready, found, server),
            Ok(Err(Hindrance::Breaking(problems))) => {
                Outcome::new(reason, Verdict::Refused, problems)
            }
            Ok(Err(Hindrance::Problems { problems, only_unreachable })) => {
                if only_unreachable {
                    self.watch.retry_later();
                }
                Outcome::new(reason, Verdict::Failed, problems)
            }
            Err(_) => bug(reason),
        }
    }

    /// Opens listeners that are new, and swaps the runtime.
    fn take(
        &mut self,
        reason: Reason,
        ready: Ready,
        found: (u64, u64),
        server: &mut Server,
    ) -> Outcome {
        let Ready { runtime, file, shown, places, warnings } = ready;
        // First, for it may fail. What comes in at once is served by the old for a moment.
        if let Err(error) = server.update(&file.listeners(), file.drain_timeout()) {
            return Outcome::new(
                reason,
                Verdict::Failed,
                vec![places.settle(unbound(&file, &error))],
            );
        }
        runtime.look_after();
        self.retired.push(self.gateway.swap(runtime));
        self.watch.serve(&file);
        self.standing.take(file, shown);
        self.served = found;
        Outcome::new(reason, Verdict::Taken, warnings)
    }
}

/// A listener of the configuration that can't be had.
fn unbound(file: &File, error: &BindError) -> Problem {
    let place = file.listen.iter().position(|listen| listen.address == error.address);
    let path = place.map_or("listen".to_owned(), |index| format!("listen[{index}].address"));
    let error = error.to_string();
    let (message, mend) = error.split_once("; ").unwrap_or((&error, ""));
    Problem::error(path, message).mend(mend)
}

fn bug(reason: Reason) -> Outcome {
    let problem = Problem::error("", "the gateway failed on this configuration")
        .mend("report this, with what its log says");
    Outcome::new(reason, Verdict::Failed, vec![problem])
}
