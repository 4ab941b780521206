//! Asking a remote Prometheus that is slow, broken, partial, closed or strange; nothing but a whole answer counts.

mod fleet;
mod server;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use earlystop::model::{Counters, Event, RemoteAnswer, RemoteOutcome, RemoteQuestion, RemoteServer, SECOND};
use earlystop::policy::Config;
use earlystop::source::remote::{self, Asker};

use crate::support::wait_for;
use server::{Reply, Server, Speaks, http, ours, vector, web};

const LONG: Duration = Duration::from_secs(60);
const EXPR: &str = "trial_metric{metric=\"val_loss\"} > 1 + 2";

/// Somebody who asks a server.
struct Scene {
    asker: Asker,
    server: Arc<RemoteServer>,
    answers: Receiver<RemoteAnswer>,
    counters: Arc<Counters>,
}

impl Scene {
    /// Asks `EXPR` of this URL, ten times a second; `more` are further lines of `[remote]`.
    fn asking(url: &str, more: &str) -> Scene {
        Scene::idle(url, more).and_asks("fleet", EXPR)
    }

    fn idle(url: &str, more: &str) -> Scene {
        let text = format!("[remote]\nurl = \"{url}\"\nidentity.instance = \"gpu1\"\ninterval = \"100ms\"\n{more}\n");
        let (config, _) = Config::parse(&text, Path::new("e.toml")).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let server = config.remote.expect("a server");
        remote::check(&server).expect("its files are there");
        let counters = Arc::new(Counters::default());
        let (tell, answers) = channel();
        let deliver = Box::new(move |_, event| {
            let Event::Remote(answer) = event else { panic!("{event:?}") };
            // The scene may be over.
            let _ = tell.send(answer);
        });
        let asker = Asker::new(Duration::from_millis(10), counters.clone(), deliver);
        Scene { asker, server, answers, counters }
    }

    fn and_asks(mut self, rule: &str, expr: &str) -> Scene {
        self.ask(&[(rule, expr)]);
        self
    }

    fn ask(&mut self, questions: &[(&str, &str)]) {
        let of = |(rule, expr): &(&str, &str)| RemoteQuestion { rule: (*rule).into(), expr: (*expr).into() };
        self.asker.ask(Some(self.server.clone()), questions.iter().map(of).collect());
    }

    fn next(&self) -> RemoteAnswer {
        self.answers.recv_timeout(LONG).expect("every query ends in an event")
    }

    /// The values of the next answer.
    fn values(&self) -> Vec<f64> {
        let answer = self.next();
        answer.result.unwrap_or_else(|why| panic!("{why}")).iter().map(|series| series.value).collect()
    }

    /// Why there is no answer, and that it was counted as this.
    fn fails(&self, outcome: RemoteOutcome) -> String {
        let why = self.next().result.expect_err("no answer");
        assert!(self.count(outcome) > 0, "{why}: {:?}", self.counters.remote_queries);
        assert_eq!(self.count(RemoteOutcome::Ok), 0);
        why
    }

    fn count(&self, outcome: RemoteOutcome) -> u64 {
        let place = RemoteOutcome::ALL.iter().position(|known| *known == outcome).expect("in the list");
        self.counters.remote_queries.get(place)
    }
}

fn answering(reply: Reply) -> Server {
    Server::start(Speaks::Plain, move |_, _| reply.clone())
}

#[test]
fn a_whole_answer_comes_in_with_what_was_asked() {
    let foreign = r#"{"metric":{"trial":"b","instance":"gpu2"},"value":[1.5,"9"]}"#;
    let body = vector(&[ours("0.5"), foreign.to_string()].join(","));
    let server = answering(Reply::Bytes(http("200 OK", &body)));
    let more = "headers = { X-Scope-OrgID = \"ml\" }\nbasic_auth = { username = \"ann\", password = \"open:sesame\" }";
    let scene = Scene::asking(&format!("http://{}/team/prometheus/", server.address), more);
    let answer = scene.next();
    assert_eq!((&*answer.rule, &*answer.expr), ("fleet", EXPR));
    assert!(answer.asked.boot_ns > 0 && answer.good_for_ns == 5 * SECOND, "the timeout is above three intervals");
    let series = answer.result.expect("an answer");
    assert_eq!(series.len(), 1, "the series of another host does not act here: {series:?}");
    assert_eq!((series[0].label("trial"), series[0].value), (Some("a"), 0.5));
    let asked = server.last();
    assert!(asked.head.starts_with("POST /team/prometheus/api/v1/query HTTP/1.1\r\n"), "{}", asked.head);
    assert_eq!(asked.header("host"), Some(&*server.address));
    assert_eq!(
        (asked.header("x-scope-orgid"), asked.header("authorization")),
        (Some("ml"), Some("Basic YW5uOm9wZW46c2VzYW1l"))
    );
    let query = "query=trial_metric%7Bmetric%3D%22val_loss%22%7D%20%3E%201%20%2B%202&timeout=5000ms";
    assert_eq!(asked.form, query);
    (0..4).for_each(|_| assert_eq!(scene.values(), [0.5]));
    assert_eq!(server.accepted.load(Ordering::Relaxed), 1, "one connection serves them all");
    assert!(scene.count(RemoteOutcome::Ok) >= 5);
}

#[test]
fn a_server_that_closes_after_each_answer_is_asked_all_the_same() {
    let server = answering(Reply::Last(http("200 OK", &vector(&ours("NaN")))));
    let scene = Scene::asking(&format!("http://{}", server.address), "");
    (0..4).for_each(|_| assert!(scene.values()[0].is_nan()));
    assert!(server.accepted.load(Ordering::Relaxed) >= 4);
}

#[test]
fn packed_and_chunked_answers_are_read() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(vector(&ours("+Inf")).as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
    let bytes = [head.as_bytes(), &packed].concat();
    let server = answering(Reply::Bytes(bytes));
    assert_eq!(Scene::asking(&format!("http://{}", server.address), "").values(), [f64::INFINITY]);
    assert_eq!(server.last().header("accept-encoding"), Some("gzip"));
    let body = vector(&ours("1e3"));
    let (one, two) = body.split_at(20);
    let chunks = format!("{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n", one.len(), two.len());
    let text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    let server = answering(Reply::Bytes(text.into_bytes()));
    assert_eq!(Scene::asking(&format!("http://{}", server.address), "").values(), [1000.0]);
}

#[test]
fn a_slow_server_is_not_waited_for() {
    let drip = Reply::Drip(http("200 OK", &vector(&ours("1"))), Duration::from_millis(20));
    for reply in [Reply::Silence, drip] {
        let server = answering(reply);
        let start = Instant::now();
        let scene = Scene::asking(&format!("http://{}", server.address), "timeout = \"300ms\"");
        let why = scene.fails(RemoteOutcome::Timeout);
        assert!(why.contains("no answer within 300ms") && why.contains(&server.address), "{why}");
        assert!(start.elapsed() >= Duration::from_millis(300));
        let two = || (server.accepted.load(Ordering::Relaxed) >= 2).then_some(());
        wait_for("a late connection is not used again", LONG, two);
    }
}

#[test]
fn a_question_never_overtakes_itself() {
    let server = answering(Reply::Silence);
    let scene = Scene::asking(&format!("http://{}", server.address), "timeout = \"1s\"");
    let first = scene.next().asked;
    assert!(scene.next().asked.since(first) >= SECOND, "ten intervals passed between them");
}

#[test]
fn a_server_that_is_not_there_is_no_answer() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let why = Scene::asking(&format!("http://{closed}"), "").fails(RemoteOutcome::Unreachable);
    assert!(why.contains(&closed.to_string()) && why.contains("cannot connect"), "{why}");
    let why = Scene::asking("http://no-such-host.invalid", "timeout = \"30s\"").fails(RemoteOutcome::Unreachable);
    assert!(why.contains("no-such-host.invalid"), "{why}");
}

#[test]
fn what_breaks_off_is_no_answer() {
    let whole = http("200 OK", &vector(&ours("1")));
    let cut = whole[..whole.len() - 1].to_vec();
    for bytes in [Vec::new(), b"HTTP/1.1 200".to_vec(), b"SSH-2.0-OpenSSH_10.0\r\n".to_vec(), cut] {
        let server = answering(Reply::Last(bytes.clone()));
        let why = Scene::asking(&format!("http://{}", server.address), "").fails(RemoteOutcome::Unreachable);
        assert!(why.contains(&server.address), "{:?}: {why}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn what_is_strange_is_no_answer() {
    let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#;
    for body in ["", "<html>Welcome</html>", "{}", scalar] {
        let server = answering(Reply::Bytes(http("200 OK", body)));
        Scene::asking(&format!("http://{}", server.address), "").fails(RemoteOutcome::Invalid);
    }
    let strange = "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx";
    let server = answering(Reply::Bytes(strange.as_bytes().to_vec()));
    let why = Scene::asking(&format!("http://{}", server.address), "").fails(RemoteOutcome::Invalid);
    assert!(why.contains("packed"), "{why}");
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let huge = 17 << 20;
    let mut plain = format!("HTTP/1.1 200 OK\r\nContent-Length: {huge}\r\n\r\n").into_bytes();
    plain.resize(plain.len() + huge, b' ');
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; huge]).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len());
    for bytes in [plain, [head.as_bytes(), &bomb].concat()] {
        let server = answering(Reply::Last(bytes));
        let scene = Scene::asking(&format!("http://{}", server.address), "timeout = \"60s\"");
        let why = scene.fails(RemoteOutcome::Invalid);
        assert!(why.contains("above 16777216 bytes"), "{why}");
    }
}

#[test]
fn half_an_answer_and_a_refusal_are_told_apart() {
    let warned = vector(&ours("1")).replacen('{', r#"{"warnings":["a store is down"],"#, 1);
    let error = r#"{"status":"error","errorType":"execution","error":"many-to-many matching not allowed"}"#;
    for (status, body, outcome, word) in [
        ("200 OK", warned.as_str(), RemoteOutcome::Partial, "a store is down"),
        ("422 Unprocessable Entity", error, RemoteOutcome::Error, "many-to-many"),
        ("503 Service Unavailable", "", RemoteOutcome::Error, "503"),
        ("302 Found", "", RemoteOutcome::Error, "somewhere else"),
        ("401 Unauthorized", "Unauthorized", RemoteOutcome::Refused, "basic_auth"),
    ] {
        let server = answering(Reply::Bytes(http(status, body)));
        let why = Scene::asking(&format!("http://{}", server.address), "").fails(outcome);
        assert!(why.contains(word) && why.contains(&server.address), "{why}");
    }
}

#[test]
fn what_came_back_once_may_come_back_again() {
    let good = http("200 OK", &vector(&ours("1")));
    let server = Server::start(Speaks::Plain, move |number, _| match number % 2 {
        1 => Reply::Last(http("503 Service Unavailable", "")),
        _ => Reply::Bytes(good.clone()),
    });
    let scene = Scene::asking(&format!("http://{}", server.address), "");
    for _ in 0..3 {
        assert!(scene.next().result.is_err());
        assert_eq!(scene.values(), [1.0]);
    }
}

#[test]
fn other_questions_take_the_place_of_the_old() {
    let server = answering(Reply::Bytes(http("200 OK", &vector(""))));
    let mut scene = Scene::idle(&format!("http://{}", server.address), "");
    scene.ask(&[("a", "a > 1"), ("b", "b > 1")]);
    let mut seen: Vec<String> = (0..2).map(|_| scene.next().rule.to_string()).collect();
    seen.sort();
    assert_eq!(seen, ["a", "b"]);
    scene.ask(&[("b", "b > 2")]);
    let start = Instant::now();
    while &*scene.next().expr != "b > 2" {
        assert!(start.elapsed() < LONG, "the new question is asked");
    }
    (0..5).for_each(|_| assert_eq!(&*scene.next().expr, "b > 2"));
    scene.ask(&[]);
    let start = Instant::now();
    while scene.answers.recv_timeout(Duration::from_millis(500)).is_ok() {
        assert!(start.elapsed() < LONG, "nothing is asked any more");
    }
}

#[test]
fn another_server_takes_the_place_of_the_old() {
    let [one, two] = ["1", "2"].map(|value| answering(Reply::Bytes(http("200 OK", &vector(&ours(value))))));
    let mut scene = Scene::asking(&format!("http://{}", one.address), "");
    assert_eq!(scene.values(), [1.0]);
    scene.server = Scene::idle(&format!("http://{}", two.address), "").server;
    scene.ask(&[("fleet", EXPR)]);
    wait_for("the other one answers", LONG, || (scene.values() == [2.0]).then_some(()));
    (0..5).for_each(|_| assert_eq!(scene.values(), [2.0], "and nobody else"));
    scene.asker.ask(None, vec![RemoteQuestion { rule: "fleet".into(), expr: EXPR.into() }]);
    let start = Instant::now();
    while scene.answers.recv_timeout(Duration::from_millis(500)).is_ok() {
        assert!(start.elapsed() < LONG, "there is nobody to ask");
    }
}

#[test]
fn an_end_does_not_wait_for_an_answer() {
    let server = answering(Reply::Silence);
    let scene = Scene::asking(&format!("http://{}", server.address), "timeout = \"10m\"");
    wait_for("the question is on its way", LONG, || (server.count() == 1).then_some(()));
    let start = Instant::now();
    drop(scene);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn passwords_and_tokens_are_read_anew() {
    let server = answering(Reply::Bytes(http("200 OK", &vector(""))));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let more = format!("bearer_token_file = \"{}\"", file.display());
    let scene = Scene::asking(&format!("http://{}", server.address), &more);
    let why = scene.fails(RemoteOutcome::Refused);
    assert!(why.contains("token") && server.count() == 0, "nothing was sent without it: {why}");
    for token in ["first", "second"] {
        std::fs::write(&file, format!("{token}\n")).unwrap();
        let header = format!("Bearer {token}");
        wait_for("the token is sent", LONG, || {
            scene.next();
            (server.count() > 0 && server.last().header("authorization") == Some(&header)).then_some(())
        });
    }
}

#[test]
fn the_server_must_be_who_it_says() {
    let reply = |_: usize, _: &server::Asked| Reply::Bytes(http("200 OK", &vector(&ours("7"))));
    let server = Server::start(Speaks::Tls, reply);
    let url = format!("https://{}", server.address);
    let ca = format!("ca_file = \"{}\"", web("cert.pem").display());
    let with = |inner: &str| format!("tls_config = {{ {inner} }}");
    for good in [ca.clone(), format!("{ca}, server_name = \"localhost\""), "insecure_skip_verify = true".into()] {
        let scene = Scene::asking(&url, &with(&good));
        assert_eq!((scene.values(), scene.values()), (vec![7.0], vec![7.0]), "{good}");
    }
    let why =
        Scene::asking(&url, &with(&format!("{ca}, server_name = \"else.example\""))).fails(RemoteOutcome::Unreachable);
    assert!(why.contains("TLS"), "{why}");
    if rustls_has_roots() {
        let why = Scene::asking(&url, "").fails(RemoteOutcome::Unreachable);
        assert!(why.contains("TLS"), "a certificate that nobody vouches for: {why}");
    }
    let plain = answering(Reply::Last(http("200 OK", &vector(""))));
    // It waits for the end of a line that never comes.
    let more = format!("timeout = \"300ms\"\n{}", with(&ca));
    Scene::asking(&format!("https://{}", plain.address), &more).fails(RemoteOutcome::Timeout);
    let why = Scene::asking(&format!("http://{}", server.address), "").fails(RemoteOutcome::Unreachable);
    assert!(why.contains(&server.address), "{why}");
}

/// Whether this machine trusts anybody: without certificates of its own, `https` needs a `ca_file`.
fn rustls_has_roots() -> bool {
    let text = "[remote]\nurl = \"https://p\"\nidentity.instance = \"x\"\n";
    let (config, _) = Config::parse(text, Path::new("e.toml")).expect("sound");
    let ready = remote::check(&config.remote.expect("a server"));
    ready.inspect_err(|why| assert!(why.contains("ca_file"), "{why}")).is_ok()
}

#[test]
fn the_server_may_ask_who_we_are() {
    let reply = |_: usize, _: &server::Asked| Reply::Bytes(http("200 OK", &vector(&ours("7"))));
    let server = Server::start(Speaks::MutualTls, reply);
    let url = format!("https://{}", server.address);
    let (cert, key) = (web("cert.pem"), web("key.pem"));
    let (cert, key) = (cert.display(), key.display());
    let with = format!("tls_config = {{ ca_file = \"{cert}\", cert_file = \"{cert}\", key_file = \"{key}\" }}");
    assert_eq!(Scene::asking(&url, &with).values(), [7.0]);
    let without = format!("tls_config = {{ ca_file = \"{cert}\" }}");
    let server = Server::start(Speaks::MutualTls, reply);
    Scene::asking(&format!("https://{}", server.address), &without).fails(RemoteOutcome::Unreachable);
    assert_eq!(server.count(), 0);
}

#[test]
fn files_that_cannot_be_used_are_named_at_the_start() {
    let refused = |tls: &str| {
        let text = format!("[remote]\nurl = \"https://p\"\nidentity.instance = \"x\"\ntls_config = {{ {tls} }}\n");
        let (config, _) = Config::parse(&text, Path::new("e.toml")).unwrap();
        remote::check(&config.remote.unwrap()).expect_err("refused")
    };
    let (cert, key) = (web("cert.pem"), web("key.pem"));
    let (cert, key) = (cert.display(), key.display());
    for (tls, word) in [
        ("ca_file = \"/no/such\"".to_string(), "ca_file: /no/such"),
        (format!("ca_file = \"{key}\""), "no certificate"),
        (format!("ca_file = \"{cert}\", cert_file = \"{cert}\", key_file = \"{cert}\""), "key_file"),
        (format!("ca_file = \"{cert}\", cert_file = \"{key}\", key_file = \"{key}\""), "cert_file"),
    ] {
        let why = refused(&tls);
        assert!(why.contains(word), "{tls}: {why}");
    }
}
