//! Where a listener listens: `0.0.0.0:8080`, `unix:/run/transom.sock`.

use std::{
    borrow::Cow,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// An IP address and a port, or the path of a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and a port; port 0 takes any free one.
    Ip(SocketAddr),
    /// A Unix socket by its path.
    Unix(PathBuf),
}

impl Address {
    /// The IP address and port, if it is one.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path);
        }
        if text.parse::<u16>().is_ok() {
            return Err(format!("`{text}` has no host; write `127.0.0.1:{text}` for example"));
        }
        let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
        let Ok(port) = port.parse::<u16>() else {
            let host = if host.is_empty() { "127.0.0.1" } else { host };
            return Err(format!("`{text}` has no port; write `{host}:8080` for example"));
        };
        match host {
            "localhost" => Ok(Self::Ip((Ipv4Addr::LOCALHOST, port).into())),
            "" | "*" => Err(format!(
                "`{text}` has no host; write `0.0.0.0:{port}` for every address of the machine, \
                 or `127.0.0.1:{port}` for itself alone"
            )),
            _ => Err(format!(
                "`{host}` is not an IP address; write one, such as `127.0.0.1:{port}` or \
                 `[::1]:{port}`"
            )),
        }
    }
}

/// `unix:/run/a.sock`, `unix:a.sock`, and the form of a URL, `unix:///run/a.sock`.
fn unix(path: &str) -> Result<Address, String> {
    let path = match path.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => {
            return Err(format!("`unix:{path}` names a host; write `unix:/run/transom.sock`"));
        }
        None => path,
    };
    if path.is_empty() || path.ends_with('/') {
        return Err(format!("`unix:{path}` names no file; write `unix:/run/transom.sock`"));
    }
    Ok(Address::Unix(path.into()))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An IP address and a port, 0 for any free one; or `unix:` and the path of a \
                            socket.",
            "type": "string",
            "examples": ["127.0.0.1:8080", "0.0.0.0:8080", "[::]:8080", "unix:/run/transom.sock"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_host_and_port() {
        assert_eq!("[::1]:80".parse::<Address>().unwrap().to_string(), "[::1]:80");
        assert_eq!("unix:/a.sock".parse(), "unix:///a.sock".parse::<Address>());
        assert_eq!("unix:a.sock".parse(), Ok(Address::Unix("a.sock".into())));
        assert_eq!("localhost:80".parse::<Address>().unwrap().to_string(), "127.0.0.1:80");
        for (wrong, mend) in [
            ("localhost", "localhost:8080"),
            ("8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("example.com:80", "127.0.0.1:80"),
            ("1.2.3.4:99999", "1.2.3.4:8080"),
            ("unix:", "unix:/run/transom.sock"),
            ("unix://host/a", "unix:/run/transom.sock"),
        ] {
            let message = wrong.parse::<Address>().unwrap_err();
            assert!(message.contains(mend), "{message}");
        }
    }
}
