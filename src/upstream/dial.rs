//! The way to a backend's socket: name resolution, and whichever of its addresses answers first.
//!
//! Happy eyeballs (RFC 8305): the addresses are tried in turn, of both families alternately, each a
//! little after the one before; the first that answers is taken. So an address that swallows
//! everything costs a quarter of a second and not the whole connect timeout.

use std::{io, net::SocketAddr, path::Path, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    net::{TcpStream, UnixStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};

use super::fault::Fault;

/// How long an address may take until the next one is tried too (RFC 8305 §5, §8).
const DELAY: Duration = Duration::from_millis(250);

/// Connects to a host at the first of its addresses that answers, until `deadline`.
pub(super) async fn tcp(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, Fault> {
    let addresses = match timeout_at(deadline, lookup_host((host, port))).await {
        Ok(Ok(addresses)) => alternate(addresses.collect()),
        Ok(Err(error)) => return Err(unresolved(error)),
        Err(_) => return Err(unresolved("the name service did not answer in time")),
    };
    let named = addresses.first().map_or_else(String::new, ToString::to_string);
    match timeout_at(deadline, race(addresses)).await {
        Ok(result) => result,
        Err(_) => Err(too_late(named)),
    }
}

/// Connects to a Unix socket.
pub(super) async fn unix(path: &Path, deadline: Instant) -> Result<UnixStream, Fault> {
    let name = path.display();
    match timeout_at(deadline, UnixStream::connect(path)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(fault(name, &error)),
        Err(_) => Err(too_late(name)),
    }
}

/// The addresses with those of the first one's family and the other's taking turns (RFC 8305 §4).
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(is_six) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
    let (preferred, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == is_six);
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(preferred.next());
        all.extend(others.next());
        if all.len() == before {
            return all;
        }
    }
}

/// The first address to answer.
async fn race(addresses: Vec<SocketAddr>) -> Result<TcpStream, Fault> {
    let mut next = addresses.into_iter().peekable();
    let mut tried = FuturesUnordered::new();
    let mut failed = None;
    loop {
        if let Some(address) = next.next() {
            tried.push(async move {
                TcpStream::connect(address).await.map_err(|error| fault(address, &error))
            });
        }
        let answer = match next.peek() {
            Some(_) => timeout(DELAY, tried.next()).await,
            None => Ok(tried.next().await),
        };
        match answer {
            Err(_elapsed) => {}
            Ok(Some(Ok(stream))) => return Ok(stream),
            Ok(Some(Err(fault))) => failed = Some(fault),
            Ok(None) => return Err(failed.unwrap_or_else(|| unresolved("the name has no address"))),
        }
    }
}

fn fault(address: impl std::fmt::Display, error: &io::Error) -> Fault {
    let (reason, message) = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            ("upstream_refused", "the backend refused the connection")
        }
        io::ErrorKind::TimedOut => {
            ("upstream_connect_timeout", "the backend did not accept a connection in time")
        }
        _ => ("upstream_unreachable", "the backend can't be reached"),
    };
    Fault::new(reason, message, format!("{address}: {error}"))
}

fn too_late(address: impl std::fmt::Display) -> Fault {
    let message = "the backend did not accept a connection in time";
    Fault::new("upstream_connect_timeout", message, format!("no answer from {address}"))
}

fn unresolved(detail: impl std::fmt::Display) -> Fault {
    Fault::new("upstream_unresolved", "the backend's name can't be resolved", detail)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A port that swallows what comes: its queue of connections is full, and nobody accepts.
    async fn swallowing() -> (socket2::Socket, Vec<TcpStream>, SocketAddr) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        socket.bind(&any.into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let mut queued = Vec::new();
        while let Ok(Ok(stream)) =
            timeout(Duration::from_millis(100), TcpStream::connect(address)).await
        {
            queued.push(stream);
        }
        (socket, queued, address)
    }

    #[test]
    fn families_take_turns() {
        let addresses = ["[::1]:1", "[::2]:1", "1.1.1.1:1", "[::3]:1", "2.2.2.2:1"];
        let addresses = addresses.map(|address| address.parse().unwrap());
        let sorted: Vec<_> =
            alternate(addresses.to_vec()).iter().map(ToString::to_string).collect();
        assert_eq!(sorted, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(alternate(Vec::new()), []);
    }

    #[tokio::test]
    async fn address_that_swallows_everything_does_not_hold_up_the_next() {
        let (_socket, _queued, dead) = swallowing().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        let race = timeout(Duration::from_secs(10), race(vec![dead, alive]));
        assert_eq!(race.await.unwrap().unwrap().peer_addr().unwrap(), alive);
        let late = tcp("127.0.0.1", dead.port(), Instant::now() + Duration::from_millis(50)).await;
        assert_eq!(late.unwrap_err().reason, "upstream_connect_timeout");
    }

    #[tokio::test]
    async fn refused_address_hands_over_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = listener.local_addr().unwrap();
        drop(listener);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        let stream = race(vec![closed, closed, alive]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
        assert_eq!(race(vec![closed]).await.unwrap_err().reason, "upstream_refused");
        assert_eq!(race(Vec::new()).await.unwrap_err().reason, "upstream_unresolved");
    }
}
