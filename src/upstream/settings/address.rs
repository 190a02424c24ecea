//! Where endpoints are, read out of what is written.

use std::{fmt, net::SocketAddr, path::PathBuf};

use http::{
    Uri,
    uri::{Authority, Scheme},
};

/// Where one endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct Address {
    /// `http` or `https`.
    pub(in crate::upstream) scheme: Scheme,
    /// What `:authority` says: host and port as written.
    pub(in crate::upstream) authority: Authority,
    /// What is connected to.
    pub(in crate::upstream) place: Place,
    /// The host that TLS is about.
    pub(in crate::upstream) host: String,
    /// Where it stands in the settings.
    pub(in crate::upstream) path: String,
}

/// What a socket is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Place {
    /// A host without the brackets of an IPv6 address, and a port: 80 or 443 if none is written
    /// behind a scheme.
    Host(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// An address of `host`, as discovery has found it.
    pub(in crate::upstream) fn located(scheme: Scheme, host: &str, at: SocketAddr) -> Option<Self> {
        let host = host.trim_end_matches('.').to_owned();
        let authority = format!("{host}:{}", at.port()).parse().ok()?;
        let place = Place::Host(at.ip().to_string(), at.port());
        Some(Self { scheme, authority, place, host, path: String::new() })
    }

    /// Whether calls go through TLS.
    pub(in crate::upstream) fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }
}

type Finding = (String, String);

/// Reads an address as written.
pub(in crate::upstream) fn parse_address(text: &str) -> Result<Address, Finding> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix_address(path);
    }
    let bare = !text.contains("://");
    let url = if bare { format!("http://{text}") } else { text.to_owned() };
    let wrong = |message: String| {
        let mend = "write `http://host:port`, `https://host:port`, `host:port` or `unix:/path`";
        (message, mend.to_owned())
    };
    let uri: Uri =
        url.parse().map_err(|error| wrong(format!("`{text}` is no address: {error}")))?;
    let parts = uri.into_parts();
    let scheme = parts.scheme.unwrap_or(Scheme::HTTP);
    if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
        return Err(wrong(format!("`{text}` has the scheme `{scheme}`, which is not supported")));
    }
    let Some(authority) = parts.authority else {
        return Err(wrong(format!("`{text}` names no host")));
    };
    if authority.as_str().contains('@') {
        return Err(wrong(format!("`{text}` holds a user name, which gRPC has no use for")));
    }
    if parts.path_and_query.is_some_and(|path| path != "/" && path != "") {
        return Err(wrong(format!("`{text}` holds a path, but gRPC methods stand at the root")));
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.is_empty() {
        return Err(wrong(format!("`{text}` names no host")));
    }
    let port = match authority.port_u16() {
        Some(0) => return Err(wrong(format!("`{text}` has port 0, which nobody listens on"))),
        Some(port) => port,
        None if authority.as_str().ends_with(':') || authority.port().is_some() || bare => {
            return Err(wrong(format!("`{text}` has no port between 1 and 65535")));
        }
        None if scheme == Scheme::HTTPS => 443,
        None => 80,
    };
    let place = Place::Host(host.clone(), port);
    Ok(Address { scheme, authority, place, host, path: String::new() })
}

/// A Unix socket: in cleartext, and with the authority that gRPC's own libraries send.
fn unix_address(path: &str) -> Result<Address, Finding> {
    // `unix:///path` is gRPC's other way to write it.
    let path = path.strip_prefix("//").unwrap_or(path);
    if !path.starts_with('/') {
        let mend = "write the whole path, `unix:/run/bookshelf.sock`";
        return Err((format!("`unix:{path}` is no whole path of a socket"), mend.to_owned()));
    }
    let (scheme, authority) = (Scheme::HTTP, Authority::from_static("localhost"));
    let place = Place::Unix(path.into());
    Ok(Address { scheme, authority, place, host: "localhost".into(), path: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_without_scheme_is_cleartext() {
        let address = parse_address("127.0.0.1:50051").unwrap();
        assert_eq!(address.scheme, Scheme::HTTP);
        assert_eq!(address.place, Place::Host("127.0.0.1".into(), 50051));
        assert_eq!(address.authority.as_str(), "127.0.0.1:50051");
    }

    #[test]
    fn endpoint_with_scheme_knows_its_port() {
        let port = parse_address("https://example.com").unwrap().place;
        assert_eq!(port, Place::Host("example.com".into(), 443));
        let port = parse_address("http://example.com").unwrap().place;
        assert_eq!(port, Place::Host("example.com".into(), 80));
        let six = parse_address("http://[::1]:50051").unwrap();
        assert_eq!((six.host.as_str(), six.place.to_string().as_str()), ("::1", "[::1]:50051"));
    }

    #[test]
    fn endpoint_may_be_a_unix_socket() {
        for text in ["unix:/run/a.sock", "unix:///run/a.sock"] {
            let address = parse_address(text).unwrap();
            assert_eq!(address.place.to_string(), "unix:/run/a.sock");
            assert_eq!((address.authority.as_str(), address.is_tls()), ("localhost", false));
        }
    }

    #[test]
    fn endpoint_that_is_no_address_is_a_problem() {
        for text in [
            "",
            "localhost",
            ":50051",
            "localhost:",
            "localhost:0",
            "localhost:99999",
            "ftp://a:1",
            "http://user@a:1",
            "http://a:1/path",
            "unix:",
            "unix:socket",
            "http://",
            "a b:1",
        ] {
            assert!(parse_address(text).is_err(), "{text}");
        }
    }
}
