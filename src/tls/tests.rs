//! Certificates in files: what is told about them, which is shown, and when new ones are taken.

use std::{fs, path::PathBuf, sync::Arc};

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ED25519, SanType};
use rustls::{SignatureScheme, crypto::ring, sign::CertifiedKey};
use tempfile::TempDir;

use super::{
    CertificateFiles, ClientCertificate, Live, Settings, Version, Watch,
    certificate::ServerCertificate, check, identify, names::Names,
};

/// A folder of certificates that sign themselves.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Makes `file.pem` and `file.key` for some hosts.
    fn make(&self, file: &str, hosts: &[&str]) -> CertificateFiles {
        self.make_with(file, hosts, |_| {})
    }

    fn make_with(
        &self,
        file: &str,
        hosts: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateFiles {
        self.sign(file, hosts, &KeyPair::generate().unwrap(), change)
    }

    fn sign(
        &self,
        file: &str,
        hosts: &[&str],
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateFiles {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        change(&mut params);
        let certificate = params.self_signed(key).unwrap();
        CertificateFiles {
            certificate: self.write(&format!("{file}.pem"), &certificate.pem()),
            key: self.write(&format!("{file}.key"), &key.serialize_pem()),
        }
    }
}

fn settings(certificates: Vec<CertificateFiles>) -> Settings {
    let mut settings: Settings = serde_json::from_str(r#"{"certificates": []}"#).unwrap();
    settings.certificates = certificates;
    settings
}

/// The problems, with the folder's name taken out of them.
fn told(folder: &Folder, settings: &Settings) -> Vec<String> {
    let name = format!("{}/", folder.0.path().display());
    check(settings).iter().map(|problem| problem.to_string().replace(&name, "")).collect()
}

#[test]
fn sound_files_have_no_problem() {
    let folder = Folder::new();
    let mut settings = settings(vec![folder.make("a", &["a.example"])]);
    assert_eq!(told(&folder, &settings), [""; 0]);
    settings.client_ca = Some(folder.path("a.pem"));
    settings.client_certificate = Some(ClientCertificate::Optional);
    assert_eq!(told(&folder, &settings), [""; 0]);
}

#[test]
fn every_mistake_in_files_is_told_at_its_place() {
    let folder = Folder::new();
    let sound = folder.make("a", &["a.example"]);
    let other = folder.make("b", &["b.example"]);
    let with_certificate = |name: &str, text: &str| CertificateFiles {
        certificate: folder.write(name, text),
        key: sound.key.clone(),
    };
    let with_key = |name: &str, text: &str| CertificateFiles {
        certificate: sound.certificate.clone(),
        key: folder.write(name, text),
    };
    let missing = CertificateFiles { certificate: folder.path("no.pem"), ..sound.clone() };
    let cases = [
        (missing, "certificates[0].certificate: `no.pem` can't be read"),
        (
            with_certificate("e.pem", ""),
            "certificates[0].certificate: `e.pem` holds no certificate",
        ),
        (
            with_certificate("t.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"),
            "certificates[0].certificate: `t.pem` is no sound PEM file: a section has no",
        ),
        (
            with_certificate(
                "g.pem",
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ),
            "certificates[0].certificate: the first certificate in `g.pem` is no X.509",
        ),
        (
            CertificateFiles { key: other.key.clone(), ..sound.clone() },
            "certificates[0].key: the key in `b.key` does not belong to the first certificate in \
             `a.pem`; name the key of that certificate",
        ),
        (with_key("e.key", ""), "certificates[0].key: `e.key` holds no private key; give a PEM"),
        (
            with_key(
                "x.key",
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            ),
            "certificates[0].key: the private key in `x.key` is encrypted; decrypt it",
        ),
        (
            with_key("g.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
            "certificates[0].key: the key in `g.key` is of no kind that is supported",
        ),
    ];
    for (files, want) in cases {
        let told = told(&folder, &settings(vec![files]));
        assert!(told.len() == 1 && told[0].starts_with(want), "{want}: {told:?}");
    }
}

#[test]
fn mistakes_of_settings_are_told_together() {
    let folder = Folder::new();
    let mut settings = settings(Vec::new());
    settings.client_certificate = Some(ClientCertificate::Required);
    settings.handshake_timeout = std::time::Duration::ZERO;
    let told = told(&folder, &settings);
    let starts = ["certificates: no certificate", "client_certificate: nothing says", "handshake"];
    assert!(told.iter().zip(starts).all(|(one, start)| one.starts_with(start)), "{told:?}");
    assert_eq!(told.len(), 3);
}

#[test]
fn certificates_that_clients_refuse_are_worth_a_warning() {
    let folder = Folder::new();
    let expired = folder.make_with("old", &["a.example"], |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let early = folder.make_with("new", &["b.example"], |params| {
        params.not_before = rcgen::date_time_ymd(2999, 1, 1);
    });
    let nameless = folder.make_with("none", &[], |params| {
        params.distinguished_name.push(DnType::CommonName, "c.example");
    });
    let twin = folder.make("twin", &["a.example"]);
    let settings = settings(vec![expired, early, nameless, twin]);
    let told = told(&folder, &settings);
    for (told, want) in told.iter().zip([
        "certificates[0].certificate: the certificate in `old.pem` expired on Jan  1",
        "certificates[1].certificate: the certificate in `new.pem` is not valid before Jan  1",
        "certificates[2].certificate: the certificate in `none.pem` names no host",
        "certificates[3].certificate: `a.example` is named by `certificates[0]` too",
    ]) {
        assert!(told.starts_with(want), "{told}");
    }
    assert_eq!(told.len(), 4);
    assert!(check(&settings).iter().all(|problem| !problem.is_error()));
    assert!(Live::load(&settings).is_ok());
}

#[test]
fn host_is_shown_the_certificate_that_names_it() {
    let folder = Folder::new();
    let mut problems = Vec::new();
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let certificates: Vec<_> = [
        folder.make("first", &["first.example"]),
        folder.make("wild", &["*.books.example"]),
        folder.make("exact", &["API.books.example"]),
        folder.sign("ed", &["first.example"], &ed25519, |_| {}),
    ]
    .iter()
    .map(|files| {
        let provider = ring::default_provider();
        ServerCertificate::load(files, "", &provider, &mut problems).unwrap()
    })
    .collect();
    let names = Names::of(&certificates, &mut problems);
    assert_eq!(problems, []);
    let ecdsa = [SignatureScheme::ECDSA_NISTP256_SHA256];
    let place = |host: Option<&str>, offered: &[SignatureScheme]| {
        let chosen: Arc<CertifiedKey> = names.choose(host, offered)?;
        certificates.iter().position(|one| Arc::ptr_eq(&one.key, &chosen))
    };
    for (host, want) in [
        (Some("first.example"), 0),
        (Some("tales.books.example"), 1),
        (Some("api.books.example"), 2),
        (Some("API.Books.Example."), 2),
        // A wildcard stands for one label.
        (Some("a.b.books.example"), 0),
        (Some("books.example"), 0),
        (Some("elsewhere"), 0),
        (None, 0),
    ] {
        assert_eq!(place(host, &ecdsa), Some(want), "{host:?}");
    }
    assert_eq!(place(Some("first.example"), &[SignatureScheme::ED25519]), Some(3));
    assert_eq!(place(Some("api.books.example"), &[SignatureScheme::RSA_PSS_SHA256]), None);
}

#[test]
fn changed_files_are_taken_once_they_are_sound_and_still() {
    let folder = Folder::new();
    let settings = settings(vec![folder.make("a", &["a.example"])]);
    let live = Arc::new(Live::load(&settings).unwrap());
    let mut watch = Watch::new(live.clone(), "here".into());
    let first = live.current();
    let is_first = || Arc::ptr_eq(&live.current(), &first);
    watch.look();
    watch.look();
    assert!(is_first(), "nothing has changed");

    fs::write(folder.path("a.pem"), "half").unwrap();
    watch.look();
    watch.look();
    assert!(is_first(), "a broken file replaces nothing");
    fs::remove_file(folder.path("a.key")).unwrap();
    watch.look();
    watch.look();
    assert!(is_first(), "nor does one that is gone");

    folder.make("a", &["a.example"]);
    watch.look();
    assert!(is_first(), "it may still be written");
    watch.look();
    assert!(!is_first());
    let second = live.current();
    watch.look();
    assert!(Arc::ptr_eq(&live.current(), &second), "taken once");
}

#[test]
fn identity_is_what_the_certificate_names() {
    let folder = Folder::new();
    let files = folder.make_with("reader", &["reader.example"], |params| {
        params.distinguished_name.push(DnType::CommonName, "Reader");
        let uri = "spiffe://example.org/reader".try_into().unwrap();
        params.subject_alt_names.push(SanType::URI(uri));
        let email = "reader@example.org".try_into().unwrap();
        params.subject_alt_names.push(SanType::Rfc822Name(email));
    });
    let mut problems = Vec::new();
    let chain = super::files::certificates(&files.certificate, "", &mut problems).unwrap();
    let identity = identify(&chain[0]).unwrap();
    assert_eq!(identity.common_name.as_deref(), Some("Reader"));
    assert!(identity.subject.contains("CN=Reader"), "{}", identity.subject);
    assert_eq!(identity.dns_names, ["reader.example"]);
    assert_eq!(identity.emails, ["reader@example.org"]);
    assert_eq!(identity.spiffe_id(), Some("spiffe://example.org/reader"));
    assert_eq!(identity.certificate, chain[0].as_ref());
    assert_ne!(identity.fingerprint, [0; 32]);
    assert!(identify(b"garbage").is_err());
}

#[test]
fn version_is_read_quoted_or_not() {
    let read = |text: &str| {
        let text = format!(r#"{{"certificates": [], "min_version": {text}}}"#);
        serde_json::from_str::<Settings>(&text).map(|settings| settings.min_version)
    };
    assert_eq!(read("1.3").unwrap(), Version::Tls13);
    assert_eq!(read("\"1.2\"").unwrap(), Version::Tls12);
    assert!(read("1.1").unwrap_err().to_string().contains("write `1.2` or `1.3`"));
}
