//! Where a listener listens: `0.0.0.0:8080`.

use std::{
    borrow::Cow,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// An IP address and a port; port 0 takes any free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address(pub SocketAddr);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self(address));
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
            "localhost" => Ok(Self((Ipv4Addr::LOCALHOST, port).into())),
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

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
            "description": "An IP address and a port; port 0 takes any free one.",
            "type": "string",
            "examples": ["127.0.0.1:8080", "0.0.0.0:8080", "[::]:8080"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_host_and_port() {
        assert_eq!("[::1]:80".parse::<Address>().unwrap().to_string(), "[::1]:80");
        assert_eq!("localhost:80".parse::<Address>().unwrap().to_string(), "127.0.0.1:80");
        for (wrong, mend) in [
            ("localhost", "localhost:8080"),
            ("8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("example.com:80", "127.0.0.1:80"),
            ("1.2.3.4:99999", "1.2.3.4:8080"),
        ] {
            let message = wrong.parse::<Address>().unwrap_err();
            assert!(message.contains(mend), "{message}");
        }
    }
}
