//! Reloads one after the other, without a socket: what is taken, what is not, and what is left.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use tempfile::TempDir;

use super::*;
use crate::{
    config::{File, Runtime, prepare},
    gateway::Gateway,
    lasting::Lasting,
    listener::Server,
};

/// How many attempts leave nothing behind.
const MANY: usize = 10_000;

/// How many attempts there are to each that changes something: building all that the gateway brings
/// along takes some tens of milliseconds without optimisation.
const EACH: usize = if cfg!(debug_assertions) { 50 } else { 5 };

const PROTO: &str = "syntax = 'proto3';\npackage a;\n\
                     service Shelf { rpc Get(Ask) returns (Ask); }\n\
                     message Ask { string name = 1; }\n";

/// A configuration, a gateway that serves by it nowhere, and where to have it reloaded.
struct Bench {
    folder: TempDir,
    gateway: Arc<Gateway>,
    lasting: Arc<Lasting>,
    desk: Desk,
    standing: Arc<Standing>,
}

impl Bench {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("protos")).unwrap();
        fs::write(folder.path().join("protos/a.proto"), PROTO).unwrap();
        fs::write(folder.path().join("transom.yaml"), configuration("1s")).unwrap();
        let (path, lasting) = (folder.path().join("transom.yaml"), Arc::new(Lasting::new()));
        let load = move || File::load(&path);
        let Reading { loaded, inputs, digest } = read(&load);
        let shown = loaded.shown.clone();
        let prepared = prepare(loaded, &lasting).await.unwrap();
        let (file, reflections) = (prepared.file.clone(), prepared.reflections.clone());
        let runtime = Runtime::build(prepared, 1, &lasting).unwrap();
        let gateway = Arc::new(Gateway::new(Arc::new(runtime)));
        // What the file says about listeners is not what the server begins with.
        let mut server = Server::start(gateway.clone(), &[], 1).unwrap();
        let (load, warnings) = (Box::new(load), Vec::new());
        let inputs = (inputs, digest);
        let start = Start { load, inputs, file, shown, warnings, workers: 1, reflections };
        let (reloader, desk, standing) = Reloader::new(start, gateway.clone(), lasting.clone());
        tokio::spawn(async move { reloader.run(&mut server).await });
        Self { folder, gateway, lasting, desk, standing }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    async fn reload(&self) -> Arc<Outcome> {
        self.desk.reload(Reason::Operator).await.unwrap()
    }

    fn runtime(&self) -> Weak<Runtime> {
        Arc::downgrade(&self.gateway.runtime())
    }
}

fn configuration(timeout: &str) -> String {
    format!(
        "listen: [{{ address: 'unix:listen.sock' }}]\n\
         schema: [{{ protos: protos }}]\n\
         upstreams: {{ a: {{ endpoints: ['127.0.0.1:9'] }} }}\n\
         services: {{ '*': {{ timeout: {timeout} }} }}\n\
         reload: {{ watch: false }}\n"
    )
}

#[tokio::test]
async fn what_changes_is_taken_and_what_does_not_is_left_alone() {
    let bench = Bench::start().await;
    let first = bench.gateway.runtime();
    assert_eq!(bench.reload().await.verdict, Verdict::Unchanged);
    assert!(Arc::ptr_eq(&first, &bench.gateway.runtime()));
    bench.write("transom.yaml", &configuration("2s"));
    assert_eq!(bench.reload().await.verdict, Verdict::Taken);
    let second = bench.gateway.runtime();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(bench.standing.shown()["services"]["*"]["timeout"], "2s");
    assert!(bench.path("listen.sock").exists(), "its listener is there");
    // Who served by the first still can.
    assert_eq!(first.schema().methods().len(), second.schema().methods().len());
    let count = |method: &Arc<crate::schema::Method>| second.method_meter(method) as *const _;
    let method = &second.schema().methods()[0];
    assert!(std::ptr::eq(first.method_meter(method), count(method)), "counts go on");
}

#[tokio::test]
async fn what_does_not_build_leaves_the_old_in_force_and_says_why() {
    let bench = Bench::start().await;
    let first = bench.gateway.runtime();
    let folder = bench.path("").display().to_string();
    let cases: [(&str, String, String); 4] = [
        ("transom.yaml", "listen: [".into(), format!("{folder}transom.yaml:")),
        (
            "transom.yaml",
            configuration("soon"),
            format!("{folder}transom.yaml:4: services.\"*\".timeout: "),
        ),
        ("protos/a.proto", PROTO.replace("string", "strin"), format!("{folder}protos/a.proto:4: ")),
        (
            "transom.yaml",
            configuration("1s").replace("listen.sock", "no/such/folder.sock"),
            format!("{folder}transom.yaml:1: listen[0].address: can't listen on "),
        ),
    ];
    for (name, text, place) in cases {
        let sound = fs::read_to_string(bench.path(name)).unwrap();
        bench.write(name, &text);
        let outcome = bench.reload().await;
        assert_eq!(outcome.verdict, Verdict::Failed, "{text}");
        let told = outcome.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(told.contains(&place), "`{place}` is not in\n{told}");
        assert!(Arc::ptr_eq(&first, &bench.gateway.runtime()));
        assert_eq!(bench.standing.last().verdict, Verdict::Failed);
        bench.write(name, &sound);
        assert_eq!(bench.reload().await.verdict, Verdict::Unchanged, "{text}");
    }
}

#[tokio::test]
async fn what_breaks_callers_is_told_or_refused_as_the_policy_says() {
    let bench = Bench::start().await;
    let renumbered = PROTO.replace("name = 1", "name = 2");
    bench.write("protos/a.proto", &renumbered);
    let refusing = configuration("1s").replace("watch", "on_breaking: refuse, watch");
    bench.write("transom.yaml", &refusing);
    let outcome = bench.reload().await;
    assert_eq!(outcome.verdict, Verdict::Refused);
    let told = outcome.problems[0].to_string();
    assert!(told.starts_with("a.Ask.name: the field's number was 1 and is 2; "), "{told}");
    assert!(outcome.problems[0].is_error());
    let number = || {
        let method = bench.gateway.runtime().schema().methods()[0].clone();
        method.input.get_field_by_name("name").unwrap().number()
    };
    assert_eq!(number(), 1);
    bench.write("transom.yaml", &configuration("1s"));
    let outcome = bench.reload().await;
    assert_eq!(outcome.verdict, Verdict::Taken);
    assert!(!outcome.problems[0].is_error(), "{:?}", outcome.problems);
    assert_eq!(number(), 2);
}

#[tokio::test]
async fn what_needs_a_restart_is_told() {
    let bench = Bench::start().await;
    bench.write("transom.yaml", &format!("{}workers: 7\nlog: debug\n", configuration("1s")));
    let outcome = bench.reload().await;
    assert_eq!(outcome.verdict, Verdict::Taken);
    let places: Vec<_> =
        outcome.problems.iter().map(|one| (one.place.line, &*one.place.path)).collect();
    assert_eq!(places, [(Some(6), "workers"), (Some(7), "log")]);
}

#[tokio::test]
async fn endpoints_stay_what_they_are_until_their_certificates_change() {
    let bench = Bench::start().await;
    let authority = || {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    };
    let with_tls = |timeout| {
        let endpoint = "['127.0.0.1:9'] }";
        configuration(timeout).replace(endpoint, "['https://127.0.0.1:9'], tls: { ca: ca.pem } }")
    };
    let endpoint = async || {
        let outcome = bench.reload().await;
        assert_eq!(outcome.verdict, Verdict::Taken, "{:?}", outcome.problems);
        bench.gateway.runtime().clusters()[0].endpoints().members[0].endpoint.clone()
    };
    bench.write("ca.pem", &authority());
    bench.write("transom.yaml", &with_tls("1s"));
    let first = endpoint().await;
    bench.write("transom.yaml", &with_tls("2s"));
    assert!(Arc::ptr_eq(&first, &endpoint().await), "connections and all");
    bench.write("ca.pem", &authority());
    assert!(!Arc::ptr_eq(&first, &endpoint().await));
}

#[tokio::test]
async fn files_that_change_are_taken_without_a_word() {
    let bench = Bench::start().await;
    bench.write("transom.yaml", &configuration("1s").replace("false", "true"));
    assert_eq!(bench.reload().await.verdict, Verdict::Taken);
    let first = bench.runtime();
    // As an editor does it: a new file in the place of the old.
    bench.write("new", &PROTO.replace("Shelf {", "Shelf { rpc More(Ask) returns (Ask);"));
    fs::rename(bench.path("new"), bench.path("protos/a.proto")).unwrap();
    while first.ptr_eq(&bench.runtime()) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(bench.standing.last().reason, Reason::Files);
}

#[tokio::test]
async fn many_reloads_leave_nothing_behind() {
    let bench = Bench::start().await;
    let mut all = vec![bench.runtime()];
    for round in 0..MANY {
        let want = match round % EACH {
            0 => {
                let extra = format!("message Extra{round} {{}}\n");
                bench.write("protos/a.proto", &format!("{PROTO}{extra}"));
                Verdict::Taken
            }
            1 => {
                bench.write("transom.yaml", "listen: [");
                Verdict::Failed
            }
            2 => {
                bench.write("transom.yaml", &configuration("1s"));
                Verdict::Unchanged
            }
            _ => Verdict::Unchanged,
        };
        let outcome = bench.reload().await;
        assert_eq!(outcome.verdict, want, "{:?}", outcome.problems);
        if want == Verdict::Taken {
            all.push(bench.runtime());
        }
    }
    assert_eq!(all.len(), 1 + MANY / EACH);
    let alive = |all: &[Weak<Runtime>]| all.iter().filter(|one| one.strong_count() > 0).count();
    // The last ones are put away on another thread.
    while alive(&all) > 2 {
        tokio::task::yield_now().await;
    }
    let kept = format!("{:?}", bench.lasting);
    assert!(kept.matches(',').count() < 30, "{kept}");
    assert!(Path::new(&bench.path("listen.sock")).exists());
}
