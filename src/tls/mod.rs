//! TLS for downstream: certificates by name, client certificates, and both read anew when their
//! files change.
//!
//! ```text
//! Settings ─ files ─► ServerCertificate … ─► Names (by SNI) ─┐
//!           └ files ─► client authorities ───────────────────┴─► ServerConfig ─► Live (swapped)
//! ```
//!
//! `transom check` and a reload run the same code, so that what one accepts the other serves.
//! Below the configuration, because that checks the files; the listener does the handshakes.

mod certificate;
mod config;
mod files;
mod identity;
mod live;
mod names;
mod settings;
#[cfg(test)]
mod tests;

pub use self::{
    config::{ALPN_HTTP1, ALPN_HTTP2, check},
    identity::identify,
    live::{Live, Watch},
    settings::{CertificateFiles, ClientCertificate, Settings, Version},
};
