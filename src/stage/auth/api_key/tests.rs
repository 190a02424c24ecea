//! Keys that are good, keys that aren't, and the file that says so.

mod shared;

use std::path::Path;

use serde_json::json;

use super::{
    ApiKey, Source,
    key::{self, Key},
};
use crate::{
    exchange::Metadata,
    lasting::Lasting,
    stage::{
        auth::{
            API_KEY,
            denial::Denial,
            scheme::{Scheme, Verdict},
            settings,
        },
        testing,
    },
};

/// The 15th of January 2027, in seconds since 1970.
const NOW: i64 = 1_800_000_000;

fn build(file: &Path) -> Result<ApiKey, (String, String)> {
    made(json!({ "file": file }), || NOW)
}

fn made(written: serde_json::Value, clock: fn() -> i64) -> Result<ApiKey, (String, String)> {
    let written: settings::ApiKey = serde_json::from_value(written).unwrap();
    ApiKey::build(&written, API_KEY.to_vec(), Path::new(""), &Lasting::new(), clock)
}

impl ApiKey {
    async fn reread(&self) -> bool {
        match &self.source {
            Source::File(book) => book.reread().await,
            Source::Store(_) => false,
        }
    }
}

async fn check(scheme: &ApiKey, keys: &[&str]) -> Verdict {
    let mut metadata = Metadata::new();
    for key in keys {
        metadata.append("x-api-key", key.parse().unwrap());
    }
    scheme.check(&testing::exchange(metadata, None)).await
}

fn reason(verdict: Verdict) -> &'static str {
    verdict.unwrap_err().reason
}

#[tokio::test]
async fn api_key_names_its_owner_plan_and_scopes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let (old, new, plain, past) =
        (key::make().unwrap(), key::make().unwrap(), key::make().unwrap(), key::make().unwrap());
    let hash = |key: &str| Key::read(key).unwrap().hash().to_string();
    let id = |key: &str| Key::read(key).unwrap().id.to_owned();
    // The second secret of a key that is being rotated.
    let second = format!("tk_{}_{}", id(&old), new.rsplit_once('_').unwrap().1);
    let written = json!({ "keys": [
        { "id": id(&old), "hashes": [hash(&old), hash(&second)], "owner": "acme", "plan": "gold",
          "scopes": ["books.read"], "claims": { "tenant": "t" }, "expires": "2027-02-01T00:00:00Z" },
        { "id": id(&plain), "hashes": [hash(&plain)] },
        { "id": id(&past), "hashes": [hash(&past)], "expires": "2027-01-01T00:00:00Z" },
    ] });
    std::fs::write(&file, written.to_string()).unwrap();
    let scheme = build(&file).unwrap_or_else(|(_, message)| panic!("{message}"));
    for key in [&old, &second] {
        let principal = check(&scheme, &[key]).await.unwrap().unwrap();
        assert_eq!((principal.id.as_str(), principal.issuer.as_str()), ("acme", "api_key"));
        assert_eq!(principal.scopes, ["books.read"]);
        assert_eq!(principal.claim("plan"), Some(&json!("gold")));
        assert_eq!(principal.claim("tenant"), Some(&json!("t")));
        assert_eq!(principal.claim("key"), Some(&json!(id(&old))));
    }
    assert_eq!(check(&scheme, &[&plain]).await.unwrap().unwrap().id, id(&plain));
    assert_eq!(check(&scheme, &[]).await, Ok(None));
    assert_eq!(reason(check(&scheme, &[&past]).await), "key_expired");
    assert_eq!(reason(check(&scheme, &[&new]).await), "key_unknown");
    let stolen = format!("tk_{}_{}", id(&plain), new.rsplit_once('_').unwrap().1);
    assert_eq!(reason(check(&scheme, &[&stolen]).await), "key_secret");
    // The hash of nothing is nobody's: a key with one secret has no second one.
    assert_eq!(reason(check(&scheme, &["no key"]).await), "key_malformed");
    assert_eq!(check(&scheme, &[&plain, &plain]).await, Err(Denial::AMBIGUOUS));
}

#[tokio::test]
async fn api_key_costs_as_many_comparisons_whatever_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let made = [(); 4].map(|()| key::make().unwrap());
    let [first, other, plain, past] = &made;
    let hash = |key: &str| Key::read(key).unwrap().hash().to_string();
    let id = |key: &str| Key::read(key).unwrap().id.to_owned();
    let with_secret =
        |of: &str, secret: &str| format!("tk_{}_{}", id(of), secret.rsplit_once('_').unwrap().1);
    let written = json!({ "keys": [
        { "id": id(first), "hashes": [hash(first), hash(other)] },
        { "id": id(plain), "hashes": [hash(plain)] },
        { "id": id(past), "hashes": [hash(past)], "expires": "2027-01-01T00:00:00Z" },
    ] });
    std::fs::write(&file, written.to_string()).unwrap();
    let scheme = build(&file).unwrap_or_else(|(_, message)| panic!("{message}"));
    for (key, is_good) in [
        (first.clone(), true),
        (with_secret(first, other), true),
        (with_secret(first, plain), false),
        (plain.clone(), true),
        (with_secret(plain, first), false),
        // Of an id that nobody has.
        (other.clone(), false),
        (past.clone(), false),
    ] {
        let before = key::COMPARED.get();
        assert_eq!(check(&scheme, &[&key]).await.is_ok(), is_good);
        assert_eq!(key::COMPARED.get() - before, 2, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn api_key_file_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let key = key::make().unwrap();
    let entry = |key: &str| {
        let key = Key::read(key).unwrap();
        json!({ "id": key.id, "hashes": [key.hash().to_string()] })
    };
    std::fs::write(&file, json!({ "keys": [] }).to_string()).unwrap();
    let scheme = build(&file).unwrap_or_else(|(_, message)| panic!("{message}"));
    assert_eq!(reason(check(&scheme, &[&key]).await), "key_unknown");
    std::fs::write(&file, json!({ "keys": [entry(&key)] }).to_string()).unwrap();
    assert!(scheme.reread().await || scheme.reread().await);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    scheme.reread().await;
    assert!(check(&scheme, &[&key]).await.is_ok());
    // What is broken, or gone, changes nothing.
    for broken in ["{", ""] {
        std::fs::write(&file, broken).unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        scheme.reread().await;
        assert!(check(&scheme, &[&key]).await.is_ok());
    }
    std::fs::write(&file, json!({ "keys": [] }).to_string()).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    scheme.reread().await;
    assert_eq!(reason(check(&scheme, &[&key]).await), "key_unknown");
}

#[test]
fn api_key_file_that_is_wrong_says_what_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let hash = Key::read(&key::make().unwrap()).unwrap().hash().to_string();
    for (written, told) in [
        (json!([]), "no file of keys"),
        (json!({ "keys": [{ "id": "a" }] }), "hashes"),
        (json!({ "keys": [{ "id": "a", "hashes": [] }] }), "one hash"),
        (json!({ "keys": [{ "id": "a", "hashes": [hash, hash, hash] }] }), "one hash"),
        (json!({ "keys": [{ "id": "a", "hashes": ["secret"] }] }), "no hash"),
        (json!({ "keys": [{ "id": "a", "hashes": [hash], "expires": "soon" }] }), "no time"),
        (json!({ "keys": [{ "id": "a", "hashes": [hash], "secret": "s" }] }), "unknown field"),
        (
            json!({ "keys": [{ "id": "a", "hashes": [hash] }, { "id": "a", "hashes": [hash] }] }),
            "twice",
        ),
    ] {
        std::fs::write(&file, written.to_string()).unwrap();
        let (path, message) = build(&file).err().expect("a finding");
        assert_eq!(path, "file");
        assert!(message.contains(told), "{message}");
    }
    let (_, message) = build(&folder.path().join("none")).err().expect("a finding");
    assert!(message.contains("transom keys create"), "{message}");
}
