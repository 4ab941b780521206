//! The exposition against a golden file, and the HTTP server over real sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use earlystop::export::{ExportState, History, Listener, Own, WebConfig, serve, text};
use earlystop::model::{Counters, DropReason, ErrorCode, Signal, SignalResult, Snapshot, TrialState};
use earlystop::policy::config::{Listen, QuerySettings};
use tokio_rustls::rustls;

use crate::fixture;

const DEADLINE: Duration = Duration::from_secs(20);

/// A file of the tests' data.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn render(snapshot: &Snapshot) -> String {
    let mut out = Vec::new();
    text::render(snapshot, &Counters::default(), &Own::new(), &mut out).expect("a Vec takes every byte");
    String::from_utf8(out).expect("the exposition is UTF-8")
}

fn lines<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name)).collect()
}

#[test]
fn golden_metrics() {
    let counters = Counters::default();
    counters.protocol_error(ErrorCode::BadJson);
    counters.drop_one(DropReason::Labels);
    counters.signal(Signal::TERM, SignalResult::Sent);
    counters.journal_up.store(true, std::sync::atomic::Ordering::Relaxed);
    let own = Own::new();
    own.observe_tick(0.002);
    own.observe_tick(7.0);
    let mut out = Vec::new();
    text::render(&fixture::snapshot(), &counters, &own, &mut out).expect("a Vec takes every byte");
    let text = String::from_utf8(out).expect("the exposition is UTF-8");
    let (own, steady): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("process_"));
    assert_eq!(own.len(), 7, "{own:?}");
    let steady = steady.join("\n") + "\n";
    let file = data("metrics.prom");
    if std::env::var_os("EARLYSTOP_BLESS").is_some() {
        std::fs::write(&file, &steady).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&file).expect("the golden file");
    let changed = steady.lines().zip(golden.lines()).find(|(now, then)| now != then);
    assert!(steady == golden, "first change: {changed:?}; if it is meant, run again with EARLYSTOP_BLESS=1");
}

#[test]
fn what_speaks_of_the_present_leaves_with_the_trial() {
    let names = |text: &str, trial: &str| -> Vec<String> {
        let of = format!("trial=\"{trial}\"");
        let named = text.lines().filter(|line| line.contains(&of));
        let mut names: Vec<String> = named.filter_map(|line| line.split('{').next().map(str::to_owned)).collect();
        names.dedup();
        names
    };
    let mut view = fixture::full_trial();
    let living = names(&render(&fixture::of(vec![view.clone()])), "svm-1");
    fixture::end(&mut view, TrialState::Completed);
    let ended = names(&render(&fixture::of(vec![view])), "svm-1");
    let gone: Vec<_> = living.iter().filter(|name| !ended.contains(name)).map(String::as_str).collect();
    let come: Vec<_> = ended.iter().filter(|name| !living.contains(name)).map(String::as_str).collect();
    assert_eq!(
        gone,
        [
            "trial_memory_bytes",
            "trial_resident_memory_bytes",
            "trial_shared_memory_bytes",
            "trial_swap_bytes",
            "trial_proportional_memory_bytes",
            "trial_memory_limit_bytes",
            "trial_cpu_utilization_ratio",
            "trial_processes",
            "trial_threads",
            "trial_last_heartbeat_timestamp_seconds",
            "trial_since_step_seconds",
            "trial_worker_step",
            "trial_metric",
            "trial_steps_since_best",
            "trial_reports_since_best",
            "trial_steps_since_improvement",
            "trial_reports_since_improvement",
            "trial_metric_peer_median",
            "trial_rule_state",
            "trial_process_memory_bytes",
            "trial_process_resident_memory_bytes",
            "trial_process_shared_memory_bytes",
            "trial_process_cpu_seconds_total",
            "trial_process_info",
        ]
    );
    assert_eq!(come, ["trial_final_metric", "trial_end_time_seconds", "trial_exit_info"]);
}

#[test]
fn counters_without_labels_of_clients_begin_at_0() {
    let text = render(&fixture::of(vec![fixture::bare_trial()]));
    for name in ["trial_steps_total", "trial_samples_total", "trial_heartbeats_total"] {
        assert_eq!(lines(&text, name), [format!("{name}{{trial=\"bare\",experiment=\"default\"}} 0")]);
    }
    assert_eq!(lines(&text, "trial_cpu_seconds_total").len(), 2);
    assert!(lines(&text, "trial_memory_bytes").is_empty(), "a failed reading publishes nothing");
    assert_eq!(lines(&text, "earlystop_signals_total").len(), 40);
    assert!(lines(&text, "earlystop_signals_total").iter().all(|line| line.ends_with(" 0")));
}

#[test]
fn processes_above_the_limit_are_counted() {
    let mut snapshot = fixture::of(vec![fixture::full_trial(), fixture::bare_trial()]);
    for (series, exported) in [(0, 0), (2, 2), (3, 3), (100, 3)] {
        snapshot.process_series = series;
        let text = render(&snapshot);
        assert_eq!(lines(&text, "trial_process_info").len(), exported);
        assert_eq!(lines(&text, "trial_process_cpu_seconds_total").len(), exported);
        assert_eq!(
            lines(&text, "earlystop_processes_not_exported"),
            [format!("earlystop_processes_not_exported {}", 3 - exported)]
        );
        assert_eq!(lines(&text, "earlystop_sampled_processes"), ["earlystop_sampled_processes 3"]);
    }
}

#[test]
fn one_name_has_one_set_of_series() {
    let mut old = fixture::full_trial();
    fixture::end(&mut old, TrialState::Failed);
    let mut new = fixture::full_trial();
    new.attempt = 2;
    for order in [vec![new.clone(), old.clone()], vec![old.clone(), new.clone()]] {
        let text = render(&fixture::of(order));
        assert_eq!(lines(&text, "trial_info").len(), 1);
        assert!(lines(&text, "trial_info")[0].contains("attempt=\"2\""));
        assert_eq!(lines(&text, "trial_start_time_seconds").len(), 1);
    }
}

#[test]
fn batches_repeat_no_header() {
    let many: Vec<_> = (0..600).map(|n| fixture::named("many", &format!("t{n}"))).collect();
    let text = render(&fixture::of(many));
    assert_eq!(lines(&text, "trial_steps_total").len(), 600);
    let headers: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let mut unique = headers.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(headers.len(), unique.len());
}

/// A server on a thread of its own; it ends with the test.
pub struct Served {
    /// `127.0.0.1:PORT` or `unix:PATH`.
    pub address: String,
    /// What it shows.
    pub state: Arc<ExportState>,
    /// What the edges count.
    pub counters: Arc<Counters>,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Served {
    pub fn at(listen: &str, web: Option<WebConfig>) -> Served {
        Served::with(listen, web, QuerySettings::default())
    }

    /// A server that has nothing to answer queries from.
    pub fn without_history(listen: &str) -> Served {
        Served::with(listen, None, QuerySettings { retention_ns: 0, ..QuerySettings::default() })
    }

    fn with(listen: &str, web: Option<WebConfig>, query: QuerySettings) -> Served {
        let listener = Listener::bind(&Listen::parse(listen).expect("an address")).expect("bound");
        let address = listener.address();
        let counters = Arc::new(Counters::default());
        let history = History::new(query, counters.clone());
        let state = Arc::new(ExportState::with_history(counters.clone(), history));
        let remembering = state.clone();
        let memory = std::thread::spawn(move || remembering.remember());
        let (end, ended) = tokio::sync::oneshot::channel();
        let shown = state.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    served = serve(listener, web, shown) => panic!("the server ended: {served:?}"),
                    _ = ended => {}
                }
            });
        });
        Served { address, state, counters, end: Some(end), threads: vec![thread, memory] }
    }

    fn local(snapshot: Snapshot) -> Served {
        let served = Served::at("127.0.0.1:0", None);
        served.state.publish(Arc::new(snapshot));
        served
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("connected");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream
    }

    fn ask(&self, method: &str, path: &str, more: &str) -> Answer {
        exchange(&mut self.connect(), method, path, more)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.end.take());
        self.state.retire();
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

fn exchange(stream: &mut (impl Read + Write), method: &str, path: &str, more: &str) -> Answer {
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n").expect("sent");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("an answer");
    let end = all.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(all[..end].to_vec()).expect("a head is ASCII").to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let body = if head.contains("transfer-encoding: chunked") && method != "HEAD" { unchunked } else { <[u8]>::to_vec };
    Answer { status, body: body(&all[end + 4..]), head }
}

/// The body behind a chunked one; the chunk of no bytes at its end must be there.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).expect("digits"), 16).expect("a number");
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + size + 4..];
        if size == 0 {
            return body;
        }
    }
}

#[test]
fn routes() {
    let served = Served::local(Snapshot::default());
    assert_eq!(served.ask("GET", "/-/healthy", "").status, 200);
    assert_eq!(served.ask("GET", "/-/ready", "").status, 503);
    served.state.publish(Arc::new(fixture::snapshot()));
    assert_eq!(served.ask("GET", "/-/ready", "").status, 200);
    let metrics = served.ask("GET", "/metrics?x=1", "");
    assert_eq!(metrics.status, 200);
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{}", metrics.head);
    assert!(metrics.text().contains("trial_memory_bytes{trial=\"svm-1\",experiment=\"red_wine\"} "));
    let head = served.ask("HEAD", "/metrics", "");
    assert!(head.status == 200 && head.body.is_empty() && head.head.contains("text/plain; version"), "{}", head.head);
    assert!(served.ask("HEAD", "/-/healthy", "").head.contains("content-length: "));
    let missing = served.ask("GET", "/api/v1/nothing", "");
    assert!(missing.status == 404 && missing.text().contains("/metrics"));
    for method in ["POST", "PUT", "DELETE"] {
        let refused = served.ask(method, "/metrics", "Content-Length: 0\r\n");
        assert!(refused.status == 405 && refused.head.contains("allow: get, head"), "{}", refused.head);
    }
    let page = served.ask("GET", "/", "");
    assert!(page.status == 200 && page.head.contains("default-src 'none'"));
    assert!(page.text().contains("memory &lt;script&gt;") && !page.text().contains("<script"), "{}", page.text());
    served.state.publish(Arc::new(Snapshot::default()));
    assert!(served.ask("GET", "/", "").text().contains("No trial yet"));
}

#[test]
fn gzip_is_the_same_text() {
    let served = Served::local(fixture::snapshot());
    let plain = served.ask("GET", "/metrics", "");
    let packed = served.ask("GET", "/metrics", "Accept-Encoding: gzip\r\n");
    assert!(packed.head.contains("content-encoding: gzip") && !plain.head.contains("content-encoding"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut text).expect("gzip");
    assert!(lines(&text, "trial_step") == lines(plain.text(), "trial_step") && !lines(&text, "trial_step").is_empty());
    assert!(packed.body.len() * 2 < plain.body.len());
}

#[test]
fn a_new_snapshot_is_shown_at_once() {
    let served = Served::local(Snapshot::default());
    assert!(!served.ask("GET", "/metrics", "").text().contains("trial_steps_total"));
    served.state.publish(Arc::new(fixture::snapshot()));
    assert!(served.ask("GET", "/metrics", "").text().contains("trial_steps_total"));
}

#[test]
fn those_who_dawdle_hold_up_nobody() {
    let served = Served::local(fixture::snapshot());
    let dawdlers: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = served.connect();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHo").expect("sent");
            stream
        })
        .collect();
    let served = &served;
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(move || assert_eq!(served.ask("GET", "/metrics", "").status, 200));
        }
    });
    drop(dawdlers);
}

#[test]
fn huge_headers_are_refused() {
    let served = Served::local(fixture::snapshot());
    let huge = format!("X-Huge: {}\r\n", "x".repeat(12 << 10));
    assert_eq!(served.ask("GET", "/-/healthy", &huge).status, 200);
    let mut stream = served.connect();
    let sent = write!(stream, "GET / HTTP/1.1\r\nX-Huge: {}\r\n\r\n", "x".repeat(64 << 10));
    let mut answer = Vec::new();
    let got = stream.read_to_end(&mut answer);
    assert!(sent.is_err() || got.is_err() || answer.starts_with(b"HTTP/1.1 431"), "{:?}", String::from_utf8(answer));
    assert_eq!(served.ask("GET", "/-/healthy", "").status, 200);
}

#[test]
fn a_unix_socket_serves_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("http.sock");
    let served = Served::at(&format!("unix:{}", path.display()), None);
    let mut stream = UnixStream::connect(&path).expect("connected");
    assert_eq!(exchange(&mut stream, "GET", "/-/healthy", "").status, 200);
    drop(served);
    assert!(!path.exists());
}

/// A web file that lets this user in.
pub fn letting_in(user: &str, password: &str) -> String {
    format!("basic_auth_users:\n  {user}: {}\n", bcrypt::hash(password, 4).expect("a hash"))
}

fn basic(text: &str) -> String {
    use base64::Engine;
    format!("Authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(text))
}

#[test]
fn passwords_are_asked_for_everywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("web.yml");
    std::fs::write(&file, letting_in("ann", "sesame")).expect("written");
    let served = Served::at("127.0.0.1:0", Some(WebConfig::load(&file).expect("it is right")));
    for path in ["/metrics", "/", "/-/healthy", "/nothing"] {
        let refused = served.ask("GET", path, "");
        assert!(refused.status == 401 && refused.head.contains("www-authenticate: basic"), "{path}");
    }
    assert_eq!(served.ask("GET", "/metrics", &basic("ann:sesam")).status, 401);
    assert_eq!(served.ask("GET", "/metrics", &basic("ann:sesame")).status, 200);
    assert_eq!(served.ask("GET", "/metrics", &basic("bob:sesame")).status, 401);
}

#[test]
fn the_web_file_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("web.yml");
    std::fs::write(&file, letting_in("ann", "sesame")).expect("written");
    let served = Served::at("127.0.0.1:0", Some(WebConfig::load(&file).expect("it is right")));
    let status = |who: &str| served.ask("GET", "/-/healthy", who).status;
    let (ann, robert) = (basic("ann:sesame"), basic("robert:sesame"));
    assert_eq!((status(&ann), status(&robert), status("")), (200, 401, 401));
    // A connection that is open, too, is asked again with its next request.
    let mut open = served.connect();
    let request = format!("GET /-/healthy HTTP/1.1\r\nHost: x\r\n{ann}\r\n");
    let mut line = || {
        open.write_all(request.as_bytes()).expect("sent");
        let (mut line, mut piece) = (Vec::new(), [0; 1024]);
        while !line.ends_with(b".\n") {
            let n = open.read(&mut piece).expect("an answer");
            assert_ne!(n, 0, "the connection stays");
            line.extend_from_slice(&piece[..n]);
        }
        String::from_utf8_lossy(&line[..12]).into_owned()
    };
    assert_eq!(line(), "HTTP/1.1 200");
    std::fs::write(&file, letting_in("robert", "sesame")).expect("written");
    assert_eq!(line(), "HTTP/1.1 401");
    assert_eq!((status(&ann), status(&robert), status("")), (401, 200, 401));
    // A mistake, and a file that is being written: what it said before stays.
    for wrong in ["basic_auth: {}\n", ""] {
        std::fs::write(&file, wrong).expect("written");
        assert_eq!((status(&ann), status(&robert), status("")), (401, 200, 401), "{wrong:?}");
    }
    let headers = "http_server_config: {headers: {X-Frame-Options: deny}}\n";
    std::fs::write(&file, letting_in("ann", "sesame") + headers).expect("written");
    assert!(served.ask("GET", "/-/healthy", &ann).head.contains("x-frame-options: deny"));
    assert_eq!((status(&ann), status(&robert), status("")), (200, 401, 401));
}

/// The certificate in `tests/data/web` is for localhost, signed by itself, good until 2126.
#[test]
fn tls_by_the_web_file() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["cert.pem", "key.pem"] {
        std::fs::copy(data("web").join(name), folder.path().join(name)).expect("copied");
    }
    let file = folder.path().join("web.yml");
    let text = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n  min_version: TLS13\n";
    std::fs::write(&file, text).expect("written");
    let served = Served::at("127.0.0.1:0", Some(WebConfig::load(&file).expect("it is right")));
    let mut roots = rustls::RootCertStore::empty();
    let pem = std::fs::read(data("web/cert.pem")).expect("the certificate");
    use rustls::pki_types::pem::PemObject;
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(&pem).expect("PEM")).expect("a root");
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().expect("a name");
    let client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut stream = rustls::StreamOwned::new(client, served.connect());
    assert_eq!(exchange(&mut stream, "GET", "/-/healthy", "").status, 200);
    let mut plain = served.connect();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "no answer without TLS");
}

/// Run by hand in release (`cargo test --release --test it -- --ignored --nocapture render_5000`): the figure of the README.
#[test]
#[ignore = "a measurement"]
fn render_5000_processes() {
    let snapshot = fixture::of(vec![fixture::with_processes(5000)]);
    let state = Arc::new(ExportState::new(Arc::new(Counters::default())));
    let resident = || procfs::process::Process::myself().and_then(|me| me.statm()).map_or(0, |m| m.resident * 4);
    let before = resident();
    let mut took = Vec::new();
    for _ in 0..20 {
        let start = std::time::Instant::now();
        let text = render(&snapshot);
        took.push(start.elapsed());
        assert_eq!(lines(&text, "trial_process_info").len(), 5000);
    }
    took.sort_unstable();
    println!("text: median {:?}, worst {:?}, {} bytes", took[10], took[19], render(&snapshot).len());
    println!("resident before {before} KiB, after {} KiB", resident());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut took = Vec::new();
    for _ in 0..20 {
        state.publish(Arc::new(snapshot.clone()));
        let start = std::time::Instant::now();
        use http_body_util::BodyExt;
        let whole = async { state.exposition(earlystop::export::Encoding::Gzip).collect().await };
        let bytes = runtime.block_on(whole).expect("all of it").to_bytes();
        took.push((start.elapsed(), bytes.len()));
    }
    took.sort_unstable();
    let many = fixture::of((0..1000).map(|n| fixture::living(&format!("t{n}"))).collect());
    let start = std::time::Instant::now();
    let text = render(&many);
    println!("1000 trials: {:?}, {} bytes, {} lines", start.elapsed(), text.len(), text.lines().count());
    println!("text and gzip: median {:?}, worst {:?}; resident {} KiB", took[10], took[19], resident());
}

/// Memory of this process in KiB: what it has, and the most it had since [`forget_the_peak`].
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("our own");
    let line = |key: &str| status.lines().find_map(|l| l.strip_prefix(key)?.trim().strip_suffix(" kB")?.parse().ok());
    (line("VmRSS:").expect("there"), line("VmHWM:").expect("there"))
}

fn forget_the_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("our own");
}

/// A scrape over a real connection, read in small pieces and thrown away: its bytes, and the time to the first and the last.
fn scrape(served: &Served, more: &str) -> (usize, Duration, Duration) {
    let (mut stream, start) = (served.connect(), std::time::Instant::now());
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n").expect("sent");
    let (mut piece, mut bytes, mut first) = ([0; 16 << 10], 0, Duration::ZERO);
    loop {
        match stream.read(&mut piece).expect("an answer") {
            0 => return (bytes, first, start.elapsed()),
            n if bytes == 0 => (bytes, first) = (n, start.elapsed()),
            n => bytes += n,
        }
    }
}

/// Run by hand in release (`cargo test --release --test it -- --ignored --nocapture scrape_4096`).
#[test]
#[ignore = "a measurement"]
fn scrape_4096_full_trials() {
    let served = Served::without_history("127.0.0.1:0");
    served.state.publish(Arc::new(fixture::of((0..4096).map(|n| fixture::living(&format!("t{n}"))).collect())));
    for (name, more) in [
        ("plain", ""),
        ("gzip", "Accept-Encoding: gzip\r\n"),
        ("again", ""),
        ("gzip again", "Accept-Encoding: gzip\r\n"),
    ] {
        // Another snapshot, as after a tick: what was rendered of the last one is of no use.
        let next = (*served.state.snapshot()).clone();
        served.state.publish(Arc::new(next));
        forget_the_peak();
        let (before, _) = resident();
        let (bytes, first, last) = scrape(&served, more);
        let (after, peak) = resident();
        println!(
            "{name}: {bytes} bytes, first after {first:?}, all after {last:?}; resident {before} KiB before, {} more at \
             the peak, {} more after",
            peak.saturating_sub(before),
            after.saturating_sub(before)
        );
    }
}
