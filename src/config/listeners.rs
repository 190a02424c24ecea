//! What is wrong with listeners that could be read: twins, files that don't fit, rules that can
//! never hold.

use std::os::unix::ffi::OsStrExt;

use super::{
    Address, File, Listen, Places, ProxyProtocol, TrustedProxy, places::join_index,
    prepare::join_path,
};
use crate::{problem::Problem, tls};

/// The longest path that a Unix socket may have, in bytes (`sun_path` of unix(7), less its end).
const LONGEST_PATH: usize = 107;

/// Tells every problem of the listeners.
pub(super) fn check(file: &File, places: &Places, problems: &mut Vec<Problem>) {
    for (index, listen) in file.listen.iter().enumerate() {
        let mut found = Vec::new();
        if is_taken(&listen.address, &file.listen[..index]) {
            let message = format!("`{}` stands here twice", listen.address);
            found.push(Problem::error("address", message).mend("take one away"));
        }
        check_unix(listen, &mut found);
        check_proxies(listen, &mut found);
        if let Some(settings) = &listen.tls {
            found.extend(tls::check(settings).into_iter().map(|mut problem| {
                problem.place.path = join_path("tls", &problem.place.path);
                problem
            }));
        }
        let base = join_index("listen", index);
        problems.extend(found.into_iter().map(|mut problem| {
            problem.place.path = places.original(&join_path(&base, &problem.place.path));
            places.settle(problem)
        }));
    }
}

/// Whether an earlier listener has the address; a free port is another one each time.
fn is_taken(address: &Address, earlier: &[Listen]) -> bool {
    let any_port = address.ip().is_some_and(|address| address.port() == 0);
    !any_port && earlier.iter().any(|other| other.address == *address)
}

fn check_unix(listen: &Listen, found: &mut Vec<Problem>) {
    match &listen.address {
        Address::Unix(path) if path.as_os_str().as_bytes().len() > LONGEST_PATH => {
            let message = format!("`{}` is too long for a socket's path", path.display());
            let mend = format!("choose one of at most {LONGEST_PATH} bytes");
            found.push(Problem::error("address", message).mend(mend));
        }
        Address::Ip(_) if listen.mode.is_some() => {
            let message = "only a Unix socket has a mode";
            let mend = "take it away, or listen at `unix:/run/transom.sock` for example";
            found.push(Problem::error("mode", message).mend(mend));
        }
        _ => {}
    }
}

fn check_proxies(listen: &Listen, found: &mut Vec<Problem>) {
    if listen.proxy_protocol != ProxyProtocol::Off && listen.trusted_proxies.is_empty() {
        let message = "nobody is trusted to send the PROXY protocol, so it can never be believed";
        let mend = match listen.address {
            Address::Ip(_) => "name the balancer's network, `trusted_proxies: [10.0.0.0/8]`",
            Address::Unix(_) => "add `trusted_proxies: [unix]`",
        };
        found.push(Problem::error("proxy_protocol", message).mend(mend));
    }
    let unix = listen.trusted_proxies.iter().position(|proxy| *proxy == TrustedProxy::Unix);
    if let (Address::Ip(address), Some(index)) = (&listen.address, unix) {
        let message = format!("`unix` trusts the peers of a Unix socket, and `{address}` is none");
        let mend = "name networks or IP addresses";
        found.push(Problem::error(join_index("trusted_proxies", index), message).mend(mend));
    }
}
