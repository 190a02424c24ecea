//! The PROXY protocol, versions 1 and 2: a balancer tells who is behind it.
//!
//! ```text
//! PROXY TCP4 198.51.100.7 203.0.113.1 50000 443␍␊                   version 1, at most 107 bytes
//! ␍␊␍␊␀␍␊QUIT␊  ver·cmd  family  length  addresses, extensions      version 2
//! ```
//!
//! See <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. Here a header is cut out of
//! the stream; the library reads it once it is whole. What it says of the destination and its
//! extensions is not looked at.

use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use ppp::{HeaderResult, v1, v2};

use super::stream::Raw;

/// The longest header of version 1.
const LONGEST_LINE: usize = 107;

/// Version 2: the signature, and what stands before the addresses.
const SIGNATURE: &[u8] = v2::PROTOCOL_PREFIX;
const FIXED: usize = 16;

/// The longest header of version 2 that is taken; extensions of a kilobyte are long already.
const LONGEST: usize = 4 << 10;

/// What a connection began with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A header that tells of this client.
    Client(SocketAddr),
    /// A header of the proxy's own connection (a health check), or of a client without an IP
    /// address: the peer stands for itself.
    Itself,
    /// Something else.
    Nothing,
}

/// Reads the header that the connection begins with, if it does.
///
/// # Errors
/// What is wrong with it, for the log.
pub(super) async fn read(raw: &mut Raw) -> Result<Told, String> {
    let mut seen = BytesMut::new();
    let length = loop {
        match length(&seen)? {
            Some(length) if length <= seen.len() => break length,
            _ => {}
        }
        match raw.look(&mut seen).await {
            Ok(0) if seen.is_empty() => return Err("the connection ended before it began".into()),
            // What is too short for a header is for others to judge.
            Ok(0) => break 0,
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    };
    let told = if length == 0 { Told::Nothing } else { told(&seen[..length])? };
    seen.advance(length);
    raw.give_back(seen.freeze());
    Ok(told)
}

/// How long the header is that these bytes begin: 0 if they begin none, none if that can't be told
/// yet.
fn length(seen: &[u8]) -> Result<Option<usize>, String> {
    let may_be = |prefix: &[u8]| {
        let common = seen.len().min(prefix.len());
        seen[..common] == prefix[..common]
    };
    if may_be(b"PROXY ") {
        let line = &seen[..seen.len().min(LONGEST_LINE)];
        let end = line.windows(2).position(|pair| pair == b"\r\n");
        if end.is_none() && seen.len() >= LONGEST_LINE {
            return Err(format!("a header of version 1 is longer than {LONGEST_LINE} bytes"));
        }
        return Ok(end.map(|end| end + 2));
    }
    if !may_be(SIGNATURE) {
        return Ok(Some(0));
    }
    let Some(length) = seen.get(FIXED - 2..FIXED) else { return Ok(None) };
    let length = FIXED + usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length > LONGEST {
        return Err(format!("a header of version 2 of {length} bytes, more than {LONGEST}"));
    }
    Ok(Some(length))
}

/// Reads a whole header.
fn told(header: &[u8]) -> Result<Told, String> {
    match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => Ok(match header.addresses {
            v1::Addresses::Tcp4(one) => Told::Client((one.source_address, one.source_port).into()),
            v1::Addresses::Tcp6(one) => Told::Client((one.source_address, one.source_port).into()),
            v1::Addresses::Unknown => Told::Itself,
        }),
        HeaderResult::V2(Ok(header)) => match (header.command, header.protocol, header.addresses) {
            (v2::Command::Local, ..) => Ok(Told::Itself),
            (_, v2::Protocol::Datagram, _) => Err("the header tells of a datagram".into()),
            (.., v2::Addresses::IPv4(one)) => {
                Ok(Told::Client((one.source_address, one.source_port).into()))
            }
            (.., v2::Addresses::IPv6(one)) => {
                Ok(Told::Client((one.source_address, one.source_port).into()))
            }
            (.., v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => Ok(Told::Itself),
        },
        HeaderResult::V1(Err(error)) => Err(error.to_string()),
        HeaderResult::V2(Err(error)) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt, net::UnixStream};

    use super::*;
    use crate::listener::stream::Wire;

    const CLIENT4: &str = "198.51.100.7:50000";
    const CLIENT6: &str = "[2001:db8::7]:50000";

    fn binary(command: u8, family: u8, addresses: &[u8], length: usize) -> Vec<u8> {
        let mut header = [SIGNATURE, &[0x20 | command, family]].concat();
        header.extend((length as u16).to_be_bytes());
        header.extend(addresses);
        header
    }

    fn binary4(extensions: &[u8]) -> Vec<u8> {
        let addresses = [198, 51, 100, 7, 203, 0, 113, 1, 0xc3, 0x50, 1, 0xbb];
        let addresses = [&addresses, extensions].concat();
        binary(1, 0x11, &addresses, addresses.len())
    }

    fn binary6() -> Vec<u8> {
        let mut addresses = [0; 36];
        addresses[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        addresses[15] = 7;
        addresses[32..34].copy_from_slice(&[0xc3, 0x50]);
        binary(1, 0x21, &addresses, 36)
    }

    /// What a connection that begins with these bytes tells, and what is left of them. They come
    /// in two pieces.
    async fn heard(bytes: &[u8], cut: usize) -> (Result<Told, String>, Vec<u8>) {
        let (near, mut far) = UnixStream::pair().unwrap();
        let (first, second) = bytes.split_at(cut);
        let (first, second) = (first.to_vec(), second.to_vec());
        let sending = tokio::spawn(async move {
            far.write_all(&first).await.unwrap();
            tokio::task::yield_now().await;
            // The other side may have heard enough.
            let _ = far.write_all(&second).await;
        });
        let mut raw = Raw::new(Wire::Unix(near));
        let told = read(&mut raw).await;
        let mut rest = BytesMut::new();
        while told.is_ok() && raw.look(&mut rest).await.unwrap() > 0 {}
        sending.await.unwrap();
        (told, rest.to_vec())
    }

    #[tokio::test]
    async fn header_tells_of_the_client_wherever_it_is_cut() {
        let client = |text: &str| Told::Client(text.parse().unwrap());
        let cases: [(Vec<u8>, Told); 9] = [
            (b"PROXY TCP4 198.51.100.7 203.0.113.1 50000 443\r\n".into(), client(CLIENT4)),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 50000 443\r\n".into(), client(CLIENT6)),
            (b"PROXY UNKNOWN\r\n".into(), Told::Itself),
            (b"PROXY UNKNOWN ffff:: ffff:: 1 2\r\n".into(), Told::Itself),
            (binary4(&[]), client(CLIENT4)),
            (binary4(&[4, 0, 3, 1, 2, 3]), client(CLIENT4)),
            (binary6(), client(CLIENT6)),
            (binary(0, 0, &[], 0), Told::Itself),
            (binary(1, 0x31, &[0; 216], 216), Told::Itself),
        ];
        for (header, want) in cases {
            let bytes = [&header[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
            for cut in 0..bytes.len() {
                let (told, rest) = heard(&bytes, cut).await;
                assert_eq!(told.as_ref(), Ok(&want), "cut at {cut} of {header:?}");
                assert_eq!(rest, b"GET / HTTP/1.1\r\n\r\n");
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_left_alone() {
        for text in ["GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n", "P"]
        {
            for cut in 0..text.len() {
                let (told, rest) = heard(text.as_bytes(), cut).await;
                assert_eq!((told, rest), (Ok(Told::Nothing), text.into()));
            }
        }
    }

    #[tokio::test]
    async fn malformed_header_is_an_error() {
        let long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(100));
        for wrong in [
            b"PROXY TCP4 198.51.100.7 203.0.113.1 50000\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::7 203.0.113.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 198.51.100.7 203.0.113.1 70000 443\r\n".to_vec(),
            b"PROXY TCP5 198.51.100.7 203.0.113.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 \xff 203.0.113.1 1 2\r\n".to_vec(),
            b"PROXY \r\n".to_vec(),
            long.into_bytes(),
            binary(1, 0x11, &[0; 11], 11),
            binary(2, 0x11, &[0; 12], 12),
            binary(1, 0x12, &[0; 12], 12),
            binary(1, 0x41, &[0; 12], 12),
            binary(1, 0x11, &[0; 12], 60_000),
            [SIGNATURE, &[0x11, 0x11, 0, 0]].concat(),
        ] {
            let (told, _) = heard(&wrong, wrong.len() / 2).await;
            assert!(told.is_err(), "{told:?} of {wrong:?}");
        }
    }

    #[tokio::test]
    async fn end_before_the_header_s_end_is_no_client() {
        let header = binary4(&[]);
        let (told, _) = heard(&header[..20], 3).await;
        assert_eq!(told, Ok(Told::Nothing));
        assert!(heard(b"", 0).await.0.is_err());
    }
}
