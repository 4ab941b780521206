//! A real Prometheus: it scrapes what we serve, promtool has nothing to say of it, and every query of every dashboard and
//! rule works there.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use earlystop::export::WebConfig;
use earlystop::model::{DropReason, ErrorCode, Signal, SignalResult};
use earlystop::state::table::{DAEMON_METRICS, TRIAL_METRICS, daemon_metric, trial_metric};
use serde_json::Value;

use crate::export::Served;
use crate::stage::Stage;
use crate::{fixture, support};

const DEADLINE: Duration = Duration::from_secs(60);

/// A program of `tests/tools.sh`: in target/tools, else on PATH. `None`, and the test skipped, where there is none.
pub fn tool(name: &str) -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let fetched = target.join("tools/usr/bin").join(name);
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let mut all = on_path.unwrap_or_default().into_iter().map(|folder| folder.join(name));
    let found = Some(fetched).filter(|file| file.is_file()).or_else(|| all.find(|file| file.is_file()));
    if found.is_none() {
        support::skip(&format!("no {name}; run tests/tools.sh"));
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is scraped where everything has to be there at once: snapshots made by hand whose counters go on.
struct Target {
    served: Served,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Target {
    fn start() -> Target {
        let served = Served::at("127.0.0.1:0", None);
        let (state, counters) = (served.state.clone(), served.counters.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut ticks = 0;
            while !stopped.load(Ordering::Relaxed) {
                ticks += 1;
                counters.signal(Signal::TERM, SignalResult::Sent);
                counters.protocol_error(ErrorCode::BadJson);
                counters.drop_one(DropReason::Labels);
                state.observe_tick(0.002);
                state.publish(Arc::new(fixture::after(ticks)));
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        Target { served, stop, thread: Some(thread) }
    }

    fn address(&self) -> &str {
        &self.served.address
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking());
        }
    }
}

/// A Prometheus that scrapes five times a second.
pub struct Prometheus {
    child: Child,
    pub address: String,
    folder: tempfile::TempDir,
}

impl Prometheus {
    /// One target. `how`: further keys of the scrape configuration, each followed by a comma.
    pub fn scraping(binary: &Path, target: &str, how: &str) -> Prometheus {
        let rules = root().join("grafana/rules/*.yml");
        let scrape = format!("{{job_name: earlystop, {how} static_configs: [{{targets: ['{target}']}}]}}");
        Prometheus::start(binary, &format!("rule_files: ['{}']\nscrape_configs: [{scrape}]\n", rules.display()))
    }

    /// Targets that are said later, by [`Prometheus::scrape`].
    pub fn of_a_fleet(binary: &Path) -> Prometheus {
        let found = "file_sd_configs: [{files: [targets.json], refresh_interval: 1s}]";
        Prometheus::start(binary, &format!("scrape_configs: [{{job_name: earlystop, {found}}}]\n"))
    }

    /// Nothing is scraped: samples come by remote write.
    pub fn written_to(binary: &Path) -> Prometheus {
        Prometheus::start(binary, "")
    }

    /// Scrapes these from now on: the label `instance` and the address of each.
    pub fn scrape(&self, targets: &[(&str, &str)]) {
        let group = |(instance, address): &(&str, &str)| serde_json::json!({"targets": [address], "labels": {"instance": instance}});
        let groups: Vec<Value> = targets.iter().map(group).collect();
        // By a rename: half a file would be an error in its log.
        let (fresh, file) = (self.folder.path().join("targets.new"), self.folder.path().join("targets.json"));
        std::fs::write(&fresh, Value::from(groups).to_string()).expect("written");
        std::fs::rename(fresh, file).expect("renamed");
    }

    fn start(binary: &Path, more: &str) -> Prometheus {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("prometheus.yml");
        let global = "global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}";
        std::fs::write(&config, format!("{global}\n{more}")).expect("written");
        // The port may be taken between our looking and its binding: then it exits, and another is tried.
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
            let log = std::fs::File::create(folder.path().join("log")).expect("a log");
            let mut child = Command::new(binary)
                .arg(format!("--config.file={}", config.display()))
                .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
                .arg(format!("--web.listen-address={free}"))
                .arg("--web.enable-remote-write-receiver")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("Prometheus starts");
            let address = free.to_string();
            let up = support::wait_for("Prometheus is ready or gone", DEADLINE, || {
                let gone = child.try_wait().expect("our child").is_some();
                let ready = !gone && get(&address, "/-/ready").is_some_and(|(status, _)| status == 200);
                (gone || ready).then_some(ready)
            });
            if up {
                return Prometheus { child, address, folder };
            }
        }
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        panic!("Prometheus does not start: {log}");
    }

    /// The result of an instant query; the error in words.
    pub fn query(&self, expr: &str) -> Result<Vec<Value>, String> {
        let (_, body) = post(&self.address, "/api/v1/query", &format!("query={}", encode(expr)))
            .ok_or_else(|| "Prometheus does not answer".to_owned())?;
        let answer: Value = serde_json::from_str(&body).map_err(|e| format!("{e}: {body}"))?;
        match answer["data"]["result"].as_array() {
            Some(result) if answer["status"] == "success" => Ok(result.clone()),
            _ => Err(answer["error"].to_string()),
        }
    }

    /// Waits for so many good scrapes, the last one among them.
    pub fn wait_for_scrapes(&self, n: u32) {
        support::wait_for(&format!("{n} good scrapes"), DEADLINE, || {
            let seen = self.query("sum_over_time(up{job=\"earlystop\"}[5m])").ok()?;
            let scrapes: f64 = seen.first()?["value"][1].as_str()?.parse().ok()?;
            let targets = self.json("/api/v1/targets");
            let us = &targets["data"]["activeTargets"][0];
            (scrapes >= f64::from(n) && us["health"] == "up" && us["lastError"] == "").then_some(())
        });
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = get(&self.address, path).expect("Prometheus answers");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn get(address: &str, path: &str) -> Option<(u16, String)> {
    exchange(address, &format!("GET {path} HTTP/1.0\r\nHost: x\r\n\r\n"))
}

pub fn post(address: &str, path: &str, form: &str) -> Option<(u16, String)> {
    let head = "Host: x\r\nContent-Type: application/x-www-form-urlencoded";
    exchange(address, &format!("POST {path} HTTP/1.0\r\n{head}\r\nContent-Length: {}\r\n\r\n{form}", form.len()))
}

/// HTTP/1.0: the answer ends with the connection, and nothing is chunked.
pub fn exchange(address: &str, request: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// Title and query of every target of every panel, variables of the dashboard filled in.
pub fn queries() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(root().join("grafana/dashboards")).expect("the dashboards") {
        let file = file.expect("a dashboard").path();
        let text = std::fs::read_to_string(&file).expect("readable");
        let board: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for panel in board["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let expr = target["expr"].as_str().expect("a query");
                found.push((format!("{} {}", panel["title"], target["refId"]), filled(expr)));
            }
        }
        for variable in board["templating"]["list"].as_array().expect("variables") {
            if let Some(query) = variable["definition"].as_str() {
                let inner = query.strip_prefix("label_values(").and_then(|rest| rest.rsplit_once(','));
                let (selector, label) = inner.unwrap_or_else(|| panic!("{query}: not label_values(SELECTOR, LABEL)"));
                let label = label.trim().trim_end_matches(')');
                found.push((format!("variable {label}"), format!("group by ({label}) ({})", filled(selector))));
            }
        }
    }
    assert!(found.len() > 50, "only {} queries", found.len());
    found
}

fn filled(expr: &str) -> String {
    let variables = [("$experiment", ".+"), ("$trial", ".+"), ("$metric", ".+"), ("$__rate_interval", "5s")];
    let expr = variables.iter().fold(expr.to_owned(), |text, (name, value)| text.replace(name, value));
    assert!(!expr.contains('$'), "an unknown variable in {expr}");
    expr
}

#[test]
fn a_real_prometheus_scrapes_us_and_answers_every_panel() {
    let Some(binary) = tool("prometheus") else { return };
    let target = Target::start();
    let prometheus = Prometheus::scraping(&binary, target.address(), "");
    prometheus.wait_for_scrapes(15);
    let hostile = support::wait_for("a trial with hostile labels", DEADLINE, || {
        prometheus.query("trial_info{trial=\"svm-1\"}").expect("a result").first().cloned()
    });
    assert_eq!(hostile["metric"]["algorithm"], "svm \"fast\" \\ two\nlines");
    for (panel, expr) in queries() {
        // On a busy machine a scrape may come too late and leave a gap: errors count at once, emptiness does not.
        support::wait_for(&format!("{panel}: data for {expr}"), DEADLINE, || {
            let result = prometheus.query(&expr).unwrap_or_else(|error| panic!("{panel}: {expr}: {error}"));
            (!result.is_empty()).then_some(())
        });
    }
    rules_are_evaluated(&prometheus);
}

/// A trainer that reports what the dashboard shows, for as long as it lives.
pub const TRAINER: &str = r#"
import json, os, socket, time
link = socket.socket(socket.AF_UNIX)
link.connect(os.environ["EARLYSTOP_SOCKET"])
def say(**line): link.sendall((json.dumps(line) + "\n").encode())
say(type="hello", v=1, trial=os.environ.get("NAME", "steady"), experiment="wine", total_steps=100000,
    labels={"algorithm": "svm"}, params={"lr": 0.1}, objective={"metric": "val_rmse", "mode": "min"})
print("ready", flush=True)
for i in range(1, 100000):
    say(type="step", step=i, epoch=i / 100, samples=32 * i, phase="eval" if i % 10 == 0 else "train",
        metrics={"train_loss": 1 / i, "val_rmse": 2 / i})
    sum(range(20000))
    time.sleep(0.02)
"#;

#[test]
fn a_real_prometheus_scrapes_a_real_daemon_and_answers_every_panel() {
    let Some(binary) = tool("prometheus") else { return };
    let policy = "[[rule]]\nname = \"cap\"\nmetric = \"memory\"\nabove = \"100 MiB\"\n\n\
                  [[rule]]\nname = \"long\"\nmetric = \"elapsed\"\nabove = \"1ms\"\nfor = \"1h\"\naction = \"warn\"\n\n\
                  [[rule]]\nname = \"blind\"\nmetric = \"metrics.never_reported\"\nabove = 1\naction = \"warn\"\n";
    let stage = Stage::on_a_port(policy);
    let prometheus = Prometheus::scraping(&binary, &stage.address(), "");
    let _steady = stage.python(TRAINER);
    let hog = format!("{TRAINER}\n")
        .replace("    sum(", "    if i == 50: hog = bytearray(160 << 20)\n    sum(")
        .replace("steady", "hog");
    let _hog = stage.python(&hog);
    assert!(stage.command(&["run", "--trial", "short", "--", "true"]).status().expect("it runs").success());
    stage.wait_state("hog", "stopped");
    prometheus.wait_for_scrapes(15);
    // Where all is well, panels of what is wrong are empty; that they answer is all that is asked of them.
    let of_trouble = |expr: &str| expr.ends_with("> 0") || expr.ends_with("== 0");
    let mut silent = queries();
    support::wait_for("every panel shows data", DEADLINE, || {
        silent.retain(|(panel, expr)| {
            prometheus.query(expr).unwrap_or_else(|error| panic!("{panel}: {expr}: {error}")).is_empty()
                && !of_trouble(expr)
        });
        eprintln!("without data: {silent:?}");
        silent.is_empty().then_some(())
    });
    if let Some((silent, said)) = promtool(&["check", "metrics"], &stage.scrape()) {
        assert!(silent && said.is_empty(), "promtool: {said}");
    }
}

#[test]
fn a_real_prometheus_takes_our_tls_and_passwords() {
    let Some(binary) = tool("prometheus") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let data = root().join("tests/data/web");
    let hash = bcrypt::hash_with_result("sesame", 4).expect("a hash").format_for_version(bcrypt::Version::TwoY);
    let file = folder.path().join("web.yml");
    let cert = data.join("cert.pem");
    let text = format!(
        "tls_server_config: {{cert_file: '{}', key_file: '{}'}}\nbasic_auth_users: {{ann: {hash}}}\n",
        cert.display(),
        data.join("key.pem").display()
    );
    std::fs::write(&file, text).expect("written");
    let web = WebConfig::load(&file).expect("it is right");
    let served = Served::at("127.0.0.1:0", Some(web));
    let how = format!(
        "scheme: https, tls_config: {{ca_file: '{}', server_name: localhost}}, basic_auth: {{username: ann, password: sesame}},",
        cert.display()
    );
    Prometheus::scraping(&binary, &served.address, &how).wait_for_scrapes(3);
}

fn rules_are_evaluated(prometheus: &Prometheus) {
    support::wait_for("every rule has been evaluated", DEADLINE, || {
        let groups = prometheus.json("/api/v1/rules");
        let groups = groups["data"]["groups"].as_array().expect("groups").clone();
        let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).collect();
        assert!(rules.len() >= 10 && rules.iter().all(|rule| rule["health"] != "err"), "{rules:?}");
        rules.iter().all(|rule| rule["health"] == "ok").then_some(())
    });
    assert!(!prometheus.query("trial:steps:rate1m").expect("a result").is_empty());
}

pub fn promtool(arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let mut child = Command::new(tool("promtool")?)
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("promtool reads its input");
    let output = child.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn promtool_has_nothing_to_say() {
    let target = Target::start();
    let text = support::wait_for("a scrape with trials", DEADLINE, || {
        get(target.address(), "/metrics").map(|(_, body)| body).filter(|body| body.contains("trial_final_metric{"))
    });
    let named: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let rows = TRIAL_METRICS.iter().map(|row| row.name).chain(DAEMON_METRICS.iter().map(|row| row.name));
    // Nothing is read of a GPU yet; and without a daemon there is no history that could have an oldest sample.
    let later = |name: &&str| !name.starts_with("trial_gpu_") && !name.starts_with("earlystop_query_oldest_");
    let missing: Vec<&str> = rows.filter(later).filter(|name| !named.contains(name)).collect();
    assert!(missing.is_empty(), "not in the exposition that is checked: {missing:?}");
    let Some((good, said)) = promtool(&["check", "metrics"], &text) else { return };
    assert!(good && said.is_empty(), "{said}");
    let (good, said) = promtool(&["check", "metrics"], "# TYPE bad counter\nbad 1\n").expect("it was there");
    assert!(!good && !said.is_empty(), "promtool would tell");
}

#[test]
fn rules_pass_promtool() {
    let Some((good, said)) = promtool(&["check", "rules", "grafana/rules/earlystop.yml"], "") else { return };
    assert!(good, "{said}");
}

#[test]
fn dashboards_and_rules_name_only_metrics_that_exist() {
    let rules = std::fs::read_to_string(root().join("grafana/rules/earlystop.yml")).expect("the rules");
    let exprs = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned);
    let mut known = 0;
    for expr in queries().into_iter().map(|(_, expr)| expr).chain(exprs) {
        for name in metric_names(&expr) {
            assert!(trial_metric(name).is_some() || daemon_metric(base(name)).is_some(), "no metric {name}: {expr}");
            known += 1;
        }
    }
    assert!(known > 60, "only {known} names");
    assert_eq!(metric_names("rate(trial_x{trial=\"trial_y\"}[5m]) / process_z"), ["trial_x", "process_z"]);
}

fn base(name: &str) -> &str {
    ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name)
}

/// Words of a query, outside strings, that can only be metrics of ours.
fn metric_names(expr: &str) -> Vec<&str> {
    let outside = expr.split('"').step_by(2);
    let words = outside.flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':'));
    words.filter(|word| ["trial_", "earlystop_", "process_"].iter().any(|start| word.starts_with(start))).collect()
}
