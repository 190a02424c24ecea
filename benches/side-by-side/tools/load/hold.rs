//! Connections that have been called on once and then keep quiet.

use std::{io::Read, net::SocketAddr};

use super::http1::Connection;
use crate::workload;

/// Opens so many connections, says `ready`, and keeps them until standard input ends.
///
/// # Errors
///
/// If a connection can't be had, or its one call goes wrong.
pub(crate) async fn hold(target: SocketAddr, connections: usize) -> Result<(), String> {
    let workload = workload::find("get_item")?;
    let mut held = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut connection = Connection::open(&workload, target).await?;
        connection.call().await?;
        held.push(connection);
    }
    println!("ready");
    let mut nothing = Vec::new();
    // Nothing else has to be done meanwhile, so this may block.
    std::io::stdin().read_to_end(&mut nothing).map_err(|error| error.to_string())?;
    drop(held);
    Ok(())
}
