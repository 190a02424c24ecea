//! Gateways that share a Redis: what it counts is what one gateway would, until it is gone.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::*;
use crate::{
    error::Code,
    exchange::Metadata,
    stage::{
        Chain,
        rate_limit::{
            OnFailure,
            key::Asker,
            local::{self, Now},
            tests::{Bench, call, clock, count, pass_millis, refused},
        },
    },
    store::testing::Server,
};

/// Long enough for a machine that is busy with other tests.
const PATIENT: &str = "20s";
const PATIENCE: Duration = Duration::from_secs(20);

fn settings(server: &Server, limits: Value, more: Value) -> Value {
    let url = server.settings().url.0;
    let redis = json!({ "url": url, "answer_timeout": PATIENT, "connect_timeout": PATIENT });
    let mut settings = json!({ "limits": limits, "store": { "redis": redis } });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    settings
}

/// Three gateways with the same limits, which know nothing of each other.
fn three(settings: &Value) -> Vec<(Bench, Chain)> {
    let gateway = |_| {
        let bench = Bench::default();
        let chain = bench.chain(settings, false);
        (bench, chain)
    };
    (0..3).map(gateway).collect()
}

/// How many of this many calls at each gateway, all at once, are let through: by gateway.
async fn allowed(gateways: &[(Bench, Chain)], calls: usize) -> Vec<usize> {
    let of = async |chain: &Chain| {
        let outcomes = join_all((0..calls).map(|_| chain.call(call(&[("x-who", "ada")])))).await;
        let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        let others = refused.filter(|error| error.code() != Code::ResourceExhausted);
        assert_eq!(others.map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
        outcomes.iter().filter(|outcome| outcome.is_ok()).count()
    };
    join_all(gateways.iter().map(|(_, chain)| of(chain))).await
}

#[tokio::test]
async fn three_gateways_allow_what_one_would_and_without_redis_three_times_that() {
    let mut server = Server::start(&[]).await;
    let limits = json!({ "calls": { "rate": "30/d", "key": { "header": "x-who" } } });
    let gateways = three(&settings(&server, limits, json!({})));
    // Together exactly the limit, in whatever order they come.
    let before = allowed(&gateways, 7).await;
    assert_eq!(before.iter().sum::<usize>(), 21);
    let before = allowed(&gateways, 40).await;
    assert_eq!(before.iter().sum::<usize>(), 9);
    // Without it each has what it hasn't allowed yet: never more than three limits, all in all.
    server.kill();
    pass_millis(1000);
    let alone = allowed(&gateways, 40).await;
    assert_eq!(alone.iter().sum::<usize>() + 30, 3 * 30, "{alone:?}");
    // It is back and has forgotten everything: one limit more at most.
    server.begin().await;
    let mut later = 0;
    while later < 30 {
        later += allowed(&gateways, 1).await.iter().sum::<usize>();
        tokio::task::yield_now().await;
    }
    assert_eq!(allowed(&gateways, 40).await, [0, 0, 0]);
    assert_eq!(later, 30);
}

#[tokio::test]
async fn redis_that_hangs_for_a_while_forgets_nothing() {
    let server = Server::start(&[]).await;
    let limits = json!({ "calls": { "quota": "10/month", "key": { "header": "x-who" } } });
    let mut settings = settings(&server, limits, json!({}));
    let gateways = three(&settings);
    assert_eq!(allowed(&gateways[..1], 12).await, [10]);
    // Gateways that wait for it no longer than a moment.
    settings["store"]["redis"]["answer_timeout"] = json!("20ms");
    settings["store"]["redis"]["connect_timeout"] = json!("20ms");
    server.signal("STOP");
    let hasty = three(&settings);
    let alone = allowed(&hasty, 12).await;
    assert_eq!(alone, [10, 10, 10], "each by itself");
    server.signal("CONT");
    // These never gave up on it, and the count is where it was.
    assert_eq!(allowed(&gateways, 5).await, [0, 0, 0]);
}

#[tokio::test]
async fn redis_that_is_away_opens_or_closes_as_the_policy_says() {
    let mut server = Server::start(&[]).await;
    let limits = json!({ "calls": { "rate": "1/d" } });
    let open = Bench::default();
    let open_chain =
        open.chain(&settings(&server, limits.clone(), json!({ "on_failure": "open" })), false);
    let closed = Bench::default();
    let closed_chain =
        closed.chain(&settings(&server, limits, json!({ "on_failure": "closed" })), false);
    assert_eq!(count(&open_chain, 2, || call(&[])).await, 1);
    assert_eq!(refused(&closed_chain, call(&[])).await.code(), Code::ResourceExhausted);
    server.kill();
    pass_millis(1000);
    assert_eq!(count(&open_chain, 20, || call(&[])).await, 20);
    // Nobody is told of a limit that nobody could look up.
    let reply = open_chain.call(call(&[])).await.ok().unwrap();
    assert!(!reply.metadata.contains_key("ratelimit"), "{:?}", reply.metadata);
    let error = refused(&closed_chain, call(&[])).await;
    assert_eq!((error.code(), error.reason()), (Code::Unavailable, "rate_limit_unavailable"));
}

#[tokio::test]
async fn all_limits_of_a_call_are_one_round_trip() {
    let server = Server::start(&[]).await;
    let limits = json!({
        "a": { "rate": "100/d" },
        "b": { "quota": "100/day", "key": { "header": "x-who" } },
        "c": { "quota": "100/month" },
    });
    let bench = Bench::default();
    let chain = bench.chain(&settings(&server, limits, json!({})), false);
    let store = Store::of(&server.settings(), Path::new(""), &Lasting::new()).unwrap();
    let asked = questions(&store);
    assert_eq!(count(&chain, 1, || call(&[])).await, 1);
    asked().await;
    let before = asked().await;
    assert_eq!(count(&chain, 50, || call(&[])).await, 50);
    assert_eq!(asked().await - before, 51, "one each, and this question");
}

#[tokio::test]
async fn refused_callers_don_t_keep_the_store_busy() {
    let server = Server::start(&[]).await;
    let limits = json!({ "calls": { "rate": "1/d", "key": { "header": "x-who" } } });
    let bench = Bench::default();
    let chain = bench.chain(&settings(&server, limits, json!({})), false);
    let store = Store::of(&server.settings(), Path::new(""), &Lasting::new()).unwrap();
    let asked = questions(&store);
    let ada = || call(&[("x-who", "ada")]);
    // The scripts are known from now on.
    assert_eq!(count(&chain, 1, || call(&[])).await, 1);
    asked().await;
    let before = asked().await;
    assert_eq!(count(&chain, 1, ada).await, 1);
    assert_eq!(count(&chain, 50, ada).await, 0);
    assert_eq!(asked().await - before, 3, "let through once, refused once, and this question");
    // Others are asked about, and a moment later the same caller is, who may have been reset.
    assert_eq!(count(&chain, 1, || call(&[("x-who", "bob")])).await, 1);
    let before = asked().await;
    pass_millis(1000);
    let error = refused(&chain, ada()).await;
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(asked().await - before, 2);
    let forget = Script::new("redis.call('FLUSHALL') return {}");
    store.run(0, &forget, &[], &[], PATIENCE).await.unwrap();
    assert_eq!(count(&chain, 1, ada).await, 0);
    pass_millis(1000);
    assert_eq!(count(&chain, 1, ada).await, 1);
}

/// Asks a store how many scripts it has run, this one among them.
fn questions(store: &Store) -> impl AsyncFn() -> i64 {
    let script = Script::new(
        "local sum = 0 for calls in string.gmatch(redis.call('INFO', 'commandstats'), \
         'cmdstat_eval%a*:calls=(%d+)') do sum = sum + tonumber(calls) end return {sum}",
    );
    async move || store.run(0, &script, &[], &[], PATIENCE).await.unwrap()[0]
}

#[tokio::test]
async fn keys_end_when_nobody_would_notice_and_name_no_caller() {
    let server = Server::start(&[]).await;
    let limits = json!({
        "calls": { "rate": "1/s", "burst": 90, "key": { "header": "x-who" } },
        "day": { "quota": "5/day", "key": { "header": "x-who" } },
    });
    let bench = Bench::default();
    let chain = bench.chain(&settings(&server, limits, json!({})), false);
    assert_eq!(count(&chain, 1, || call(&[("x-who", "ada")])).await, 1);
    let store = Store::of(&server.settings(), Path::new(""), &Lasting::new()).unwrap();
    let script = Script::new(
        "local keys, lives = redis.call('KEYS', '{transom}:limit:*'), {} for _, key in ipairs(keys) \
         do if string.find(key, 'ada') then return {-1} end lives[#lives + 1] = \
         redis.call('PTTL', key) end table.sort(lives) return lives",
    );
    let lives = store.run(0, &script, &[], &[], PATIENCE).await.unwrap();
    let [rate, day] = lives[..] else { panic!("{lives:?}") };
    assert!((1..=2000).contains(&rate), "{rate}");
    assert!((3_600_000..=25 * 3_600_000).contains(&day), "{day}");
}

/// The script with a clock that it is told, behind its other arguments.
fn told_the_time() -> Script {
    let text = include_str!("limits.lua");
    let clock = text.replace("redis.call('TIME')", "{ ARGV[#ARGV - 1], ARGV[#ARGV] }");
    assert_ne!(text, clock);
    Script::new(clock.leak())
}

#[tokio::test]
async fn redis_counts_as_this_process_does_at_any_time() {
    let server = Server::start(&[]).await;
    let script = told_the_time();
    let store = Store::of(&server.settings(), Path::new(""), &Lasting::new()).unwrap();
    let bench = Bench::default();
    let who = json!({ "header": "x-who" });
    let limits = bench.limits(&json!({ "limits": {
        "a": { "rate": "7/3s", "burst": 5, "key": who },
        "b": { "rate": "1000/d", "burst": 300 },
        "c": { "quota": "40/day", "key": who },
        "d": { "quota": "200/month", "shadow": true },
        "e": { "rate": "3/s", "burst": 20, "key": who, "shadow": true },
    } }));
    let shared = Shared {
        store: store.clone(),
        prefix: "test:".to_owned(),
        patience: PATIENCE,
        fallback: Fallback { rule: OnFailure::Open, clock },
        refusals: Arc::default(),
    };
    let mut random = fastrand::Rng::with_seed(11);
    // Near the end of a February that has 29 days.
    let mut micros = 1_835_222_300_000_000_u64;
    for step in 0..3000 {
        // Now and then a night goes by, or a month.
        micros += match random.u32(0..100) {
            0 => random.u64(0..40 * 86_400_000_000),
            1..10 => random.u64(0..3_600_000_000),
            10..60 => random.u64(0..400_000),
            _ => 0,
        };
        let who = random.choice(["ada", "bob"]).unwrap();
        let metadata = [(http::HeaderName::from_static("x-who"), who.parse().unwrap())];
        let metadata: Metadata = metadata.into_iter().collect();
        let asker =
            Asker { principal: None, address: None, metadata: &metadata, message: None, worker: 0 };
        let cost = random.u64(1..4);
        let asks: Vec<_> = limits.iter().map(|limit| Ask { limit, asker: &asker, cost }).collect();
        let keys: Vec<_> = asks.iter().map(|ask| shared.key(ask)).collect();
        let mut told: Vec<_> = asks.iter().flat_map(arguments).collect();
        let unix = micros / 1_000_000;
        told.extend([unix as i64, (micros % 1_000_000) as i64]);
        let answer = store.run(0, &script, &keys, &told, PATIENCE).await.unwrap();
        let answer = verdicts(&answer, asks.len()).unwrap();
        let expected = local::take(&asks, Now { nanos: micros * 1000, unix });
        for ((ask, found), expected) in asks.iter().zip(&answer).zip(&expected) {
            let name = &ask.limit.name;
            let facts = |verdict: &Verdict| (verdict.allowed, verdict.remaining);
            assert_eq!(facts(found), facts(expected), "{name} at {step}: {found:?} {expected:?}");
            let near = |one: Duration, other: Duration| one.abs_diff(other).as_micros() <= 1;
            assert!(near(found.reset, expected.reset), "{name} {step}: {found:?} {expected:?}");
            assert!(
                near(found.retry_after, expected.retry_after),
                "{name}: {found:?} {expected:?}"
            );
        }
    }
}

#[tokio::test]
async fn redis_whose_clock_goes_back_gives_nothing_back() {
    let server = Server::start(&[]).await;
    let script = told_the_time();
    let store = Store::of(&server.settings(), Path::new(""), &Lasting::new()).unwrap();
    const DAY: i64 = 86_400;
    let midnight = 20_513 * DAY;
    // One limit, asked at a time of the store's; whether it allows that, and what is left.
    let ask = async |key: &str, limit: [i64; 3], cost: i64, at: i64| {
        let [kind, amount, burst] = limit;
        let arguments = [kind, amount, burst, cost, 0, at, 0];
        let keys = [key.to_owned()];
        let answer = store.run(0, &script, &keys, &arguments, PATIENCE).await.unwrap();
        let verdict = verdicts(&answer, 1).unwrap()[0];
        (verdict.allowed, verdict.remaining)
    };
    // Ten a day: over midnight and back, and a year ahead by mistake.
    let day = [1, 10, 0];
    assert_eq!(ask("day", day, 9, midnight + 5).await, (true, 1));
    assert_eq!(ask("day", day, 2, midnight - 10).await, (false, 1));
    assert_eq!(ask("day", day, 2, midnight + 10).await, (false, 1));
    assert_eq!(ask("day", day, 8, midnight + 365 * DAY).await, (true, 2));
    assert_eq!(ask("day", day, 2, midnight + 20).await, (true, 0));
    assert_eq!(ask("day", day, 1, midnight + 30).await, (false, 0));
    // One a second, five at once: an hour back, nothing comes back before its time.
    let rate = [0, 1_000_000_000, 5];
    assert_eq!(ask("rate", rate, 5, midnight).await, (true, 0));
    assert_eq!(ask("rate", rate, 1, midnight - 3600).await, (false, 0));
    assert_eq!(ask("rate", rate, 1, midnight - 3599).await, (false, 0));
    assert_eq!(ask("rate", rate, 3, midnight + 3).await, (true, 0));
}

#[test]
fn answers_that_are_none_of_the_script_are_no_verdicts() {
    assert!(verdicts(&[1, 2, 3, 0], 1).is_some());
    for numbers in [&[][..], &[1, 2, 3], &[1, -2, 3, 0], &[1, 2, 3, 0, 1], &[1, 2, 3, -1]] {
        assert_eq!(verdicts(numbers, 1), None, "{numbers:?}");
    }
}
