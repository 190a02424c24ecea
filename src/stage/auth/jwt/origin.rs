//! Where an issuer's keys are fetched: at a URL, or at the one that its discovery document names
//! (OpenID Connect Discovery 1.0 §4; RFC 8414 has the same member).

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde::Deserialize;

use crate::stage::auth::{
    fetch::Fetcher,
    refresh::{Origin, Pace, Reading},
};

/// How long a fetch may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(4);

/// The shortest time between two fetches for keys that nobody knows.
pub(super) const SHORTEST_REFETCH: Duration = Duration::from_secs(1);

/// How often keys are fetched: what their issuer says counts between one minute and a day. A key
/// that nobody knows is asked for no more often than `refetch` says, whoever makes up how many of them.
fn pace(refetch: Duration) -> Pace {
    Pace {
        usual: Duration::from_secs(15 * 60),
        least: Duration::from_secs(60),
        most: Duration::from_secs(24 * 3600),
        asked: refetch,
    }
}

/// A JSON Web Key Set at a URL.
pub(super) struct Url {
    pub(super) fetcher: Arc<Fetcher>,
    pub(super) url: String,
    pub(super) refetch: Duration,
}

impl Origin for Url {
    fn read(&self) -> BoxFuture<'_, Result<Reading, String>> {
        Box::pin(fetch(&self.fetcher, &self.url))
    }

    fn pace(&self) -> Pace {
        pace(self.refetch)
    }
}

/// The JSON Web Key Set that an issuer's discovery document names.
pub(super) struct Discovery {
    pub(super) fetcher: Arc<Fetcher>,
    pub(super) issuer: String,
    pub(super) refetch: Duration,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

impl Discovery {
    /// Where an issuer's discovery document is.
    pub(super) fn url(issuer: &str) -> String {
        format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
    }

    async fn discover(&self) -> Result<Reading, String> {
        let url = Self::url(&self.issuer);
        let fetched = self.fetcher.get(&url).await?;
        let document: Document = serde_json::from_slice(&fetched.body)
            .map_err(|error| format!("{url} is no discovery document: {error}"))?;
        // §4.3: or one issuer could vouch for another's tokens.
        if document.issuer != self.issuer {
            let told = document.issuer;
            return Err(format!("{url} is the discovery document of another issuer, `{told}`"));
        }
        fetch(&self.fetcher, &document.jwks_uri).await
    }
}

impl Origin for Discovery {
    fn read(&self) -> BoxFuture<'_, Result<Reading, String>> {
        Box::pin(self.discover())
    }

    fn pace(&self) -> Pace {
        pace(self.refetch)
    }
}

async fn fetch(fetcher: &Fetcher, url: &str) -> Result<Reading, String> {
    let fetched = fetcher.get(url).await?;
    let text = String::from_utf8(fetched.body.into());
    let text = text.map_err(|_| format!("{url} is no JSON: it isn't UTF-8"))?;
    Ok(Reading { text, max_age: fetched.max_age })
}
