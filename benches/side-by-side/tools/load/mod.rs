//! The load: every connection calls again as soon as it is answered, or at a fixed rate; every
//! answer is checked, the first and the last in full, the others by status and length.

mod hold;
mod http1;
mod http2;
mod pace;
mod tally;
mod websocket;

use std::{net::SocketAddr, rc::Rc, time::Duration};

use bytes::Bytes;
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use self::{pace::Turns, tally::Tally};
use crate::{
    usage,
    workload::{self, Protocol, Workload},
};

pub(crate) use hold::hold;

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How to load whom.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    workload: String,
    target: SocketAddr,
    /// How long to measure.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How long to load before that.
    #[arg(long, default_value_t = 0.5)]
    warm_up: f64,
    /// Calls a second, in place of as many as are answered.
    #[arg(long)]
    rate: Option<f64>,
    /// In place of the workload's own number.
    #[arg(long)]
    connections: Option<usize>,
    /// A process of the gateway; may be repeated.
    #[arg(long, required = true)]
    gateway: Vec<u32>,
    /// The backend's process.
    #[arg(long)]
    backend: u32,
}

/// Loads, measures, prints what was measured.
///
/// # Errors
///
/// If any answer was not right, or could not be had.
pub(crate) async fn run(arguments: Arguments) -> Result<(), String> {
    let mut workload = workload::find(&arguments.workload)?;
    workload.connections = arguments.connections.unwrap_or(workload.connections);
    let length = check(&workload, arguments.target).await?;
    let turns = Turns::at(arguments.rate);
    let tally = Rc::new(Tally::new(length));
    let mut callers = start(&workload, arguments.target, &turns, &tally);
    let unfinished = || "a connection broke".to_owned();
    tokio::select! {
        () = sleep(Duration::from_secs_f64(arguments.warm_up)) => {}
        ended = callers.join_next() => return Err(ended.and_then(failure).unwrap_or_else(unfinished)),
    }
    tally.begin();
    let start = std::time::Instant::now();
    let used = (usage::cpu(&arguments.gateway)?, usage::cpu(&[arguments.backend])?);
    tokio::select! {
        () = sleep(Duration::from_secs_f64(arguments.seconds)) => {}
        ended = callers.join_next() => return Err(ended.and_then(failure).unwrap_or_else(unfinished)),
    }
    let gateway = usage::cpu(&arguments.gateway)? - used.0;
    let backend = usage::cpu(&[arguments.backend])? - used.1;
    let seconds = start.elapsed().as_secs_f64();
    let (calls, latencies) = tally.end();
    callers.shutdown().await;
    check(&workload, arguments.target).await?;
    if calls == 0 {
        return Err("no call was answered".into());
    }
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / calls as f64;
    let report = json!({
        "calls": calls,
        "seconds": seconds,
        "cpu_us": micros(gateway),
        "backend_us": micros(backend),
        "busy": gateway.as_secs_f64() / seconds,
        "p50_us": tally::quantile(&latencies, 0.5),
        "p99_us": tally::quantile(&latencies, 0.99),
        "peak_kib": usage::peak(&arguments.gateway),
    });
    println!("{report}");
    Ok(())
}

/// One call, checked in full; gives the length of the right body.
pub(crate) async fn check(workload: &Workload, target: SocketAddr) -> Result<usize, String> {
    let body = tokio::time::timeout(PATIENCE, once(workload, target));
    let body = body.await.map_err(|_| format!("no answer within {PATIENCE:?}"))??;
    workload.answer.check(&body).map(|()| body.len())
}

async fn once(workload: &Workload, target: SocketAddr) -> Result<Bytes, String> {
    match workload.protocol {
        Protocol::Http1 => http1::once(workload, target).await,
        Protocol::Http2 | Protocol::Grpc => http2::once(workload, target).await,
        Protocol::WebSocket => websocket::once(workload, target).await,
    }
}

/// Starts a task for each connection; none ends but by an error.
fn start(
    workload: &Workload,
    target: SocketAddr,
    turns: &Turns,
    tally: &Rc<Tally>,
) -> JoinSet<Result<(), String>> {
    let mut callers = JoinSet::new();
    for _ in 0..workload.connections {
        let (workload, turns, tally) = (workload.clone(), turns.clone(), tally.clone());
        callers.spawn_local(async move {
            match workload.protocol {
                Protocol::Http1 => http1::call_on(&workload, target, turns, &tally).await,
                Protocol::Http2 | Protocol::Grpc => {
                    http2::call_on(workload, target, turns, tally).await
                }
                Protocol::WebSocket => websocket::call_on(&workload, target, &tally).await,
            }
        });
    }
    callers
}

/// Why a task ended.
fn failure(ended: Result<Result<(), String>, tokio::task::JoinError>) -> Option<String> {
    match ended {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error),
        Err(error) => Some(error.to_string()),
    }
}
