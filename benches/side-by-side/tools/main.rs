//! What the side-by-side benchmark is made of, in one program: the backend behind every gateway,
//! the load in front of it, and the bare relay that gRPC is compared with.
//!
//! One program, so that it links once. `benches/side-by-side/run` builds and drives it.

#![allow(clippy::unwrap_used, reason = "a benchmark stops where something is not as it should be")]

mod answer;
mod backend;
mod load;
mod messages;
mod relay;
mod schema;
mod usage;
mod workload;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand};

/// As in the gateway, so that the relay is a floor and not a handicap.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The parts of the side-by-side benchmark.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Write the catalogue's descriptor set.
    Schema {
        out: PathBuf,
        /// So many methods more, each with a route of its own, in services of a hundred.
        #[arg(long, default_value_t = 0)]
        methods: usize,
    },
    /// Serve the catalogue over cleartext HTTP/2; the first line of output is the address.
    Backend,
    /// Pass HTTP/2 streams on to a backend as they are.
    Relay { listen: SocketAddr, backend: SocketAddr },
    /// Put load on a gateway, every answer checked; the output is one JSON document.
    Load(load::Arguments),
    /// Call once, check the answer.
    Check { workload: String, target: SocketAddr },
    /// Open idle connections, say `ready`, and keep them until standard input ends.
    Hold { target: SocketAddr, connections: usize },
}

fn main() {
    let part = Arguments::parse().part;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let result = runtime.block_on(local.run_until(run(part)));
    if let Err(error) = result {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run(part: Part) -> Result<(), String> {
    match part {
        Part::Schema { out, methods } => std::fs::write(&out, schema::with_more_methods(methods))
            .map_err(|error| format!("{}: {error}", out.display())),
        Part::Backend => backend::serve().await,
        Part::Relay { listen, backend } => relay::serve(listen, backend).await,
        Part::Load(arguments) => load::run(arguments).await,
        Part::Check { workload, target } => {
            load::check(&workload::find(&workload)?, target).await.map(drop)
        }
        Part::Hold { target, connections } => load::hold(target, connections).await,
    }
}
