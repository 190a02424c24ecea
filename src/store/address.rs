//! Where a store is, and as whom to log in there.
//!
//! ```text
//! url  = ( "redis" | "rediss" ) "://" [ [ user ] [ ":" password ] "@" ] host [ ":" port ] [ "/" number ]
//!      | "unix:" path
//! ```

use std::path::{Path, PathBuf};

use ::redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use super::{Finding, Settings};

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A host and a port, with TLS or without.
    Tcp { host: String, port: u16, tls: bool },
    /// A socket in the file system.
    Unix(PathBuf),
}

/// Reads where a store is and how to log in.
pub(super) fn read(
    settings: &Settings,
    folder: &Path,
) -> Result<(Place, RedisConnectionInfo), Finding> {
    let url = &settings.url;
    let (place, mut login) = match url.0.strip_prefix("unix:") {
        Some(path) => (unix(path, folder)?, RedisConnectionInfo::default()),
        None => tcp(url)?,
    };
    // A variable that isn't set may stand for nothing: `${REDIS_PASSWORD:-}`.
    let username = settings.username.as_ref().filter(|username| !username.is_empty());
    let password = settings.password.as_ref().filter(|password| !password.reveal().is_empty());
    if let Some(username) = username {
        login = login.set_username(username);
    }
    if let Some(password) = password {
        if login.password().is_some() {
            let message = "the URL has a password already; leave one of the two out";
            return Err(("password".into(), message.into()));
        }
        login = login.set_password(password.reveal());
    }
    if login.username().is_some() && login.password().is_none() {
        let message = "a name without a password logs nobody in: add `password: ${REDIS_PASSWORD}`";
        return Err(("username".into(), message.into()));
    }
    Ok((place, login.set_lib_name("transom", env!("CARGO_PKG_VERSION"))))
}

fn unix(path: &str, folder: &Path) -> Result<Place, Finding> {
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains(['?', '@']) {
        let message = "a socket is named `unix:/run/redis.sock`, and nothing more; \
                       `username` and `password` stand beside it";
        return Err(("url".into(), message.into()));
    }
    Ok(Place::Unix(folder.join(path)))
}

fn tcp(url: &super::Url) -> Result<(Place, RedisConnectionInfo), Finding> {
    let wrong = || {
        let mend = "write `redis://host:6379`, `rediss://host:6379` with TLS, or `unix:/path`, and \
                    percent-encode what is special in a password";
        ("url".to_owned(), format!("`{url}` is no address of a Redis: {mend}"))
    };
    let (rest, tls) = match (url.0.strip_prefix("redis://"), url.0.strip_prefix("rediss://")) {
        (Some(rest), _) => (rest, false),
        (None, Some(rest)) => (rest, true),
        (None, None) => return Err(wrong()),
    };
    if rest.contains(['?', '#']) {
        return Err(wrong());
    }
    // The package reads the rest; TLS is ours.
    let info = format!("redis://{rest}").into_connection_info().map_err(|_| wrong())?;
    match info.addr() {
        ConnectionAddr::Tcp(host, port) if !host.is_empty() => {
            let place = Place::Tcp { host: host.clone(), port: *port, tls };
            Ok((place, info.redis_settings().clone()))
        }
        _ => Err(wrong()),
    }
}
