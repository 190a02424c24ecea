//! `transom serve`: the gateway, until SIGTERM or SIGINT.

use std::{io::Write, sync::Arc};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Arguments, DONE, FAILED, prepare_or_report, summary::Summary, write};
use crate::{
    config::{Address, Prepared, Runtime},
    gateway::Gateway,
    lasting::Lasting,
    listener::Server,
    observe,
};

const EXAMPLES: &str = "\
Examples:
  transom serve --config transom.yaml
  transom serve --listen 0.0.0.0:8080 --upstream 127.0.0.1:50051 --descriptor-set api.binpb
  transom serve --upstream 127.0.0.1:50051          # the schema by reflection
  transom serve --listen unix:/run/transom.sock --upstream 127.0.0.1:50051
  transom serve --upstream books=127.0.0.1:50051 --upstream tides=127.0.0.1:50052

SIGTERM and SIGINT drain: no new connections, and requests in flight may finish.
Exit codes: 0 drained, 64 bad arguments or configuration, 1 anything else.";

/// Serve until SIGTERM or SIGINT.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    #[command(flatten)]
    arguments: Arguments,
}

impl Serve {
    pub(super) fn run(&self, err: &mut dyn Write) -> u8 {
        let prepared = match prepare_or_report(self.arguments.load(), err) {
            Ok(prepared) => prepared,
            Err(code) => return code,
        };
        let summary = Summary::of(&prepared);
        let outcome = start(prepared, |addresses| {
            write(err, &summary.text(addresses), DONE);
        });
        match outcome {
            Ok(()) => DONE,
            Err(message) => write(err, &format!("{message}\n"), FAILED),
        }
    }
}

/// Serves until told to stop. `ready` is called once, when all listeners are bound, with their
/// addresses.
///
/// # Errors
/// What kept it from serving: a sentence for the operator.
pub(super) fn start(prepared: Prepared, ready: impl FnOnce(&[Address])) -> Result<(), String> {
    observe::init(&prepared.file.observe()).map_err(|error| error.to_string())?;
    let (listeners, workers) = (prepared.file.listeners(), prepared.file.worker_count());
    let patience = prepared.file.drain_timeout();
    let runtime = Runtime::build(prepared, workers, &Lasting::new()).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        problems.join("\n")
    })?;
    let control = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let control = control.map_err(|error| format!("the runtime can't be started: {error}"))?;
    control.block_on(async {
        let mut stop = Stop::listen().map_err(|error| format!("no signal handler: {error}"))?;
        runtime.look_after();
        let gateway = Arc::new(Gateway::new(Arc::new(runtime)));
        let server =
            Server::start(gateway, &listeners, workers).map_err(|error| error.to_string())?;
        ready(server.addresses());
        let signal = stop.asked().await;
        tracing::info!(signal, patience = ?patience, "draining");
        let emptied = tokio::select! {
            emptied = server.drain(patience) => emptied,
            // Whoever asks twice doesn't want to wait.
            _ = stop.asked() => false,
        };
        if !emptied {
            tracing::warn!("requests that were still in flight have been cut off");
        }
        Ok(())
    })
}

/// The signals that ask the program to stop.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of them; gives its name.
    async fn asked(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
