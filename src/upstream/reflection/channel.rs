//! Channels to the endpoints of an upstream, for the few calls that ask for its schema.

use std::{fs, path::Path};

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::ReflectionError;
use crate::upstream::{
    Settings, Tls,
    settings::{Address, Place},
};

/// A channel to an endpoint, as the settings say that it is to be called; it connects with the first
/// call.
pub(super) fn channel_to(
    address: &Address,
    settings: &Settings,
) -> Result<Channel, ReflectionError> {
    let fail = |error: tonic::transport::Error| ReflectionError(error.to_string());
    let Address { scheme, authority, place, host, .. } = address;
    let url = match place {
        Place::Unix(_) => place.to_string(),
        Place::Host(..) => format!("{scheme}://{place}"),
    };
    let authority = settings.authority.as_deref().unwrap_or(authority.as_str());
    let mut endpoint = Endpoint::from_shared(url).map_err(fail)?;
    if let Ok(origin) = format!("{scheme}://{authority}").parse() {
        endpoint = endpoint.origin(origin);
    }
    if address.is_tls() {
        let mut tls = client_tls(settings.tls.as_ref())?;
        if settings.tls.as_ref().is_none_or(|tls| tls.server_name.is_none()) {
            tls = tls.domain_name(host);
        }
        endpoint = endpoint.tls_config(tls).map_err(fail)?;
    }
    Ok(endpoint.connect_timeout(settings.connect_timeout).connect_lazy())
}

fn client_tls(settings: Option<&Tls>) -> Result<ClientTlsConfig, ReflectionError> {
    let read = |path: &Path| {
        let unreadable = |error| format!("`{}` can't be read: {error}", path.display());
        fs::read(path).map_err(|error| ReflectionError(unreadable(error)))
    };
    let mut tls = ClientTlsConfig::new();
    let Some(settings) = settings else { return Ok(tls.with_enabled_roots()) };
    tls = match &settings.ca {
        Some(path) => tls.ca_certificate(Certificate::from_pem(read(path)?)),
        None => tls.with_enabled_roots(),
    };
    if let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) {
        tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    if let Some(name) = &settings.server_name {
        tls = tls.domain_name(name);
    }
    Ok(tls)
}
