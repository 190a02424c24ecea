//! From a configuration to a gateway that serves, until it is told to stop.
//!
//! ```text
//! load ─► prepare ─► Launch ─ start ─► listeners, operator's port ─► signals, reloads ─► drain
//! ```

use std::{io::Write, sync::Arc};

use tokio::{
    runtime::{Builder, Runtime as Control},
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};

use super::{FAILED, MISUSED, report, write};
use crate::{
    admin,
    config::{Address, Failure, Inputs, Loaded, Prepared, Runtime, prepare},
    gateway::Gateway,
    lasting::Lasting,
    listener::Server,
    observe,
    reload::{self, Desk, Reading, Reason, Reloader, Standing, Start},
};

/// A configuration that is ready to be served, and how it is read anew.
pub(super) struct Launch {
    pub(super) prepared: Prepared,
    load: Box<dyn Fn() -> Loaded + Send + Sync>,
    inputs: (Inputs, u64),
    shown: serde_json::Value,
    lasting: Arc<Lasting>,
    control: Control,
}

/// Where a gateway listens.
pub(super) struct Bound {
    /// The listeners, in their order, ports filled in.
    pub(super) listeners: Vec<Address>,
    /// The operator's port.
    pub(super) admin: Option<Address>,
}

impl Launch {
    /// Reads a configuration and makes it ready, or reports all that is wrong and gives the exit
    /// code.
    pub(super) fn prepare(
        load: impl Fn() -> Loaded + Send + Sync + 'static,
        err: &mut dyn Write,
    ) -> Result<Self, u8> {
        let control = Builder::new_current_thread().enable_all().build();
        let control = control.map_err(|error| {
            write(err, &format!("the runtime can't be started: {error}\n"), FAILED)
        })?;
        let Reading { loaded, inputs, digest } = reload::read(&load);
        let (shown, lasting) = (loaded.shown.clone(), Arc::new(Lasting::new()));
        let prepared = control.block_on(prepare(loaded, &lasting));
        let prepared = prepared.map_err(|Failure { problems, only_unreachable }| {
            let code = if only_unreachable { FAILED } else { MISUSED };
            write(err, &report::failure(&problems), code)
        })?;
        let (load, inputs) = (Box::new(load), (inputs, digest));
        Ok(Self { prepared, load, inputs, shown, lasting, control })
    }

    /// Serves until told to stop. `ready` is called once, when everything is bound.
    ///
    /// # Errors
    /// What kept it from serving: a sentence for the operator.
    pub(super) fn start(self, ready: impl FnOnce(&Bound)) -> Result<(), String> {
        let Self { prepared, load, inputs, shown, lasting, control } = self;
        let file = prepared.file.clone();
        observe::init(&file.observe()).map_err(|error| error.to_string())?;
        let workers = file.worker_count();
        let outcome = control.block_on(async {
            let mut stop = Stop::listen().map_err(|error| format!("no signal handler: {error}"))?;
            let (warnings, reflections) = (prepared.warnings.clone(), prepared.reflections.clone());
            let runtime = Runtime::build(prepared, workers, &lasting).map_err(|problems| {
                let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                problems.join("\n")
            })?;
            runtime.look_after();
            let gateway = Arc::new(Gateway::new(Arc::new(runtime)));
            let mut server = Server::start(gateway.clone(), &file.listeners(), workers)
                .map_err(|error| error.to_string())?;
            let admin = file.admin.as_ref().map(admin::bind).transpose();
            let admin = admin.map_err(|error| error.to_string())?;
            let start = Start { load, inputs, file, shown, warnings, workers, reflections };
            let (reloader, desk, standing) = Reloader::new(start, gateway.clone(), lasting);
            let leave = Arc::new(Notify::new());
            let address = admin.as_ref().map(|admin| admin.address().clone());
            if let Some(admin) = admin {
                let (desk, standing) = (desk.clone(), standing.clone());
                let office = admin::Office { gateway, desk, standing, leave: leave.clone() };
                tokio::spawn(admin.serve(office));
            }
            ready(&Bound { listeners: server.addresses(), admin: address });
            let asked = tokio::select! {
                asked = stop.asked(&desk) => asked,
                () = leave.notified() => "the operator",
                never = reloader.run(&mut server) => match never {},
            };
            drain(asked, server, &standing, &mut stop, &desk).await;
            Ok(())
        });
        // A configuration that is being read is waited for by nobody.
        control.shutdown_background();
        outcome
    }
}

/// Lets what is in flight finish.
async fn drain(asked: &str, server: Server, standing: &Standing, stop: &mut Stop, desk: &Desk) {
    let patience = standing.file().drain_timeout();
    tracing::info!(by = asked, patience = ?patience, "draining");
    standing.begin_drain();
    let emptied = tokio::select! {
        emptied = server.drain(patience) => emptied,
        // Whoever asks twice doesn't want to wait.
        _ = stop.asked(desk) => false,
    };
    if !emptied {
        tracing::warn!("requests that were still in flight have been cut off");
    }
}

/// The signals that the program listens to.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one that asks the program to stop, and gives its name; has the configuration read
    /// anew meanwhile whenever SIGHUP asks for that.
    async fn asked(&mut self, desk: &Desk) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hang_up.recv() => {
                    let desk = desk.clone();
                    tokio::spawn(async move { desk.reload(Reason::Signal).await });
                }
            }
        }
    }
}
