//! Prometheus's API: its shapes and errors over snapshots made by hand; real clients (promtool, what Grafana sends) and a
//! real Prometheus beside it over a real daemon.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use earlystop::export::WebConfig;
use earlystop::model::{AlertView, RunId, SECOND, Snapshot};
use earlystop::policy::{self, Context};
use serde_json::{Value, json};

use crate::export::{Served, letting_in};
use crate::prometheus::{Prometheus, TRAINER, encode, get, post, queries, tool};
use crate::stage::{LONG, Stage};
use crate::support::wait_for;
use crate::{fixture, prometheus};

/// The time of [`fixture::after`]`(0)`, seconds.
fn start() -> f64 {
    fixture::now().unix_seconds()
}

/// So many seconds after [`start`], as the API writes a time.
fn after(seconds: f64) -> Value {
    let at = start() + seconds;
    if at.fract() == 0.0 { json!(at as i64) } else { json!(at) }
}

/// Shows a snapshot and waits until the history has it.
fn show(served: &Served, snapshot: Snapshot) {
    let tick = snapshot.last_tick.map(|at| at.wall_ms);
    served.state.publish(Arc::new(snapshot));
    let history = served.state.history().expect("a history");
    wait_for("the tick is in the history", LONG, || (history.newest() == tick).then_some(()));
}

/// A server that has seen so many ticks, a second apart.
fn seen(ticks: u64) -> Served {
    let served = Served::at("127.0.0.1:0", None);
    (0..ticks).for_each(|tick| show(&served, fixture::after(tick)));
    served
}

fn parsed((status, body): (u16, String)) -> (u16, Value) {
    let value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"));
    (status, value)
}

/// GET; status and JSON.
fn ask(address: &str, path: &str) -> (u16, Value) {
    parsed(get(address, path).expect("an answer"))
}

/// GET; `data` of a success.
fn data(address: &str, path: &str) -> Value {
    let (status, mut answer) = ask(address, path);
    assert!(status == 200 && answer["status"] == "success", "{path}: {status} {answer}");
    answer["data"].take()
}

/// An instant query's `data` at a time.
fn query_at(address: &str, expr: &str, time: f64) -> Value {
    data(address, &format!("/api/v1/query?query={}&time={time}", encode(expr)))
}

#[test]
fn instant_queries() {
    let served = seen(3);
    let address = &served.address;
    let vector = query_at(address, "trial_steps_total{trial=\"svm-1\"}", start() + 2.5);
    let labels = json!({"__name__": "trial_steps_total", "trial": "svm-1", "experiment": "red_wine"});
    let element = json!({"metric": labels, "value": [after(2.5), "103"]});
    assert_eq!(vector, json!({"resultType": "vector", "result": [element]}));
    let before = query_at(address, "trial_steps_total{trial=\"svm-1\"}", start() + 0.5);
    assert_eq!(before["result"][0]["value"][1], "101");
    assert_eq!(query_at(address, "trial_steps_total", start() - 1.0)["result"], json!([]));
    let scalar = query_at(address, "1 / 0", 5.0);
    assert_eq!(scalar, json!({"resultType": "scalar", "result": [5, "+Inf"]}));
    let text = query_at(address, "\"a\\\"b\"", 5.25);
    assert_eq!(text, json!({"resultType": "string", "result": [5.25, "a\"b"]}));
    let matrix = query_at(address, "trial_steps_total{trial=\"svm-1\"}[2s]", start() + 2.0);
    let values = json!([[after(1.0), "102"], [after(2.0), "103"]]);
    assert_eq!(matrix, json!({"resultType": "matrix", "result": [{"metric": labels, "values": values}]}));
    let path = format!("/api/v1/query?query=trial_state&limit=2&time={}", start());
    let (_, limited) = ask(address, &path);
    assert_eq!(limited["data"]["result"].as_array().map(Vec::len), Some(2));
    assert_eq!(limited["warnings"], json!(["results truncated due to limit"]));
    let short = format!("/api/v1/query?query=trial_step&time={}&lookback_delta=1s", start() + 10.0);
    assert_eq!(data(address, &short)["result"], json!([]));
    let metric = query_at(address, "trial_metric{metric=\"train_loss\",trial=\"svm-1\"}", start());
    assert_eq!(metric["result"][0]["value"][1], "NaN");
    // 2026-09-21T14:15:02Z is two seconds after the first tick.
    let by_name = data(address, "/api/v1/query?query=trial_step%7Btrial%3D%22svm-1%22%7D&time=2026-09-21T14:15:02Z");
    assert_eq!(by_name["result"][0]["value"], json!([after(2.0), "103"]));
}

#[test]
fn range_queries() {
    let served = seen(5);
    let path = |expr: &str, step: &str| {
        let (from, to) = (start(), start() + 4.0);
        format!("/api/v1/query_range?query={}&start={from}&end={to}&step={step}", encode(expr))
    };
    let matrix = data(&served.address, &path("rate(trial_steps_total{trial=\"svm-1\"}[2s])", "2"));
    let values = json!([[after(2.0), "1"], [after(4.0), "1"]]);
    let labels = json!({"trial": "svm-1", "experiment": "red_wine"});
    assert_eq!(matrix, json!({"resultType": "matrix", "result": [{"metric": labels, "values": values}]}));
    let scalar = data(&served.address, &path("1.5", "2s"));
    let values = json!([[after(0.0), "1.5"], [after(2.0), "1.5"], [after(4.0), "1.5"]]);
    assert_eq!(scalar["result"], json!([{"metric": {}, "values": values}]));
    let form = format!("query=trial_step&start={}&end={}&step=1", start(), start() + 4.0);
    let (status, posted) = parsed(post(&served.address, "/api/v1/query_range", &form).expect("an answer"));
    assert_eq!((status, posted["data"]["result"].as_array().map(Vec::len)), (200, Some(2)));
}

#[test]
fn what_is_wrong_is_said_as_prometheus_says_it() {
    let served = seen(1);
    let range = "/api/v1/query_range?query=up&start=0&end=";
    for (path, status, kind, words) in [
        ("/api/v1/query", 400, "bad_data", "invalid parameter \"query\""),
        ("/api/v1/query?query=sum(", 400, "bad_data", "invalid parameter \"query\""),
        ("/api/v1/query?query=%zz", 400, "bad_data", "URL-encoded"),
        ("/api/v1/query?query=up&time=noon", 400, "bad_data", "valid timestamp"),
        ("/api/v1/query?query=up&timeout=-1", 400, "bad_data", "invalid parameter \"timeout\""),
        ("/api/v1/query?query=up&limit=-1", 400, "bad_data", "invalid parameter \"limit\""),
        ("/api/v1/query_range?query=up", 400, "bad_data", "invalid parameter \"start\""),
        (&format!("{range}9"), 400, "bad_data", "invalid parameter \"step\""),
        (&format!("{range}9&step=0"), 400, "bad_data", "zero or negative"),
        (&format!("{range}-9&step=1"), 400, "bad_data", "end timestamp must not be before start time"),
        (&format!("{range}11001&step=1"), 400, "bad_data", "exceeded maximum resolution"),
        ("/api/v1/query_range?query=up[5m]&start=0&end=9&step=1", 400, "bad_data", "invalid expression type"),
        ("/api/v1/query?query=trial_state%20*%20on(trial)%20trial_state&time=1790000100", 422, "execution", "match"),
        ("/api/v1/series", 400, "bad_data", "no match[] parameter provided"),
        ("/api/v1/series?match[]={", 400, "bad_data", "invalid parameter \"match[]\""),
        ("/api/v1/label//values", 400, "bad_data", "invalid label name"),
        ("/api/v1/rules?type=x", 400, "bad_data", "invalid parameter \"type\""),
    ] {
        let (got, answer) = ask(&served.address, path);
        assert_eq!(
            (got, &answer["status"], &answer["errorType"]),
            (status, &json!("error"), &json!(kind)),
            "{path}: {answer}"
        );
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(words)), "{path}: {answer}");
    }
    let (status, answer) = parsed(post(&served.address, "/api/v1/query", &"x".repeat(300 << 10)).expect("an answer"));
    assert_eq!((status, &answer["errorType"]), (413, &json!("bad_data")), "{answer}");
    assert_eq!(get(&served.address, "/api/v1/nothing").expect("an answer").0, 404);
    let off = Served::without_history("127.0.0.1:0");
    let (status, answer) = ask(&off.address, "/api/v1/query?query=up");
    assert_eq!((status, &answer["errorType"]), (503, &json!("unavailable")));
    assert!(answer["error"].as_str().is_some_and(|error| error.contains("query_retention")), "{answer}");
}

#[test]
fn series_and_labels() {
    let served = seen(2);
    let address = &served.address;
    let found = data(address, "/api/v1/series?match[]=trial_step&match[]=trial_step%7Btrial%3D%22svm-1%22%7D");
    let of = |trial: &str| json!({"__name__": "trial_step", "trial": trial, "experiment": "red_wine"});
    assert_eq!(found, json!([of("svm-1"), of("svm-2")]));
    let form = "match[]=trial_step%7Btrial%3D~%22.*2%22%7D";
    let (_, posted) = parsed(post(address, "/api/v1/series", form).expect("an answer"));
    assert_eq!(posted["data"], json!([of("svm-2")]));
    assert_eq!(data(address, "/api/v1/series?match[]=trial_step&end=1000"), json!([]));
    let names = data(address, "/api/v1/labels?match[]=trial_metric");
    assert_eq!(names, json!(["__name__", "experiment", "metric", "trial"]));
    let all = data(address, "/api/v1/labels");
    assert!(all.as_array().is_some_and(|all| all.len() > 15 && all.contains(&json!("pid"))), "{all}");
    let values = data(address, "/api/v1/label/metric/values?match[]=trial_metric");
    assert_eq!(values, json!(["grad\"norm\n", "train_loss", "val_rmse"]));
    let metrics = data(address, "/api/v1/label/__name__/values");
    let metrics: Vec<&str> = metrics.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    for name in ["trial_step_duration_seconds_bucket", "earlystop_sample_duration_seconds_sum", "trial_process_info"] {
        assert!(metrics.contains(&name), "no {name}: {metrics:?}");
    }
    let (_, limited) = ask(address, "/api/v1/labels?limit=2");
    assert_eq!(limited["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(limited["warnings"], json!(["results truncated due to limit"]));
}

#[test]
fn what_a_query_sees_is_what_a_scrape_reads() {
    let served = seen(1);
    let scrape = get(&served.address, "/metrics").expect("a scrape").1;
    let mut scraped = 0;
    for line in scrape.lines().filter(|line| line.starts_with("trial_") && !line.contains("_bucket{")) {
        let (series, value) = line.rsplit_once(' ').expect("a sample");
        let found = query_at(&served.address, series, start());
        let value: f64 = value.parse().expect("a number");
        let values: Vec<f64> = found["result"]
            .as_array()
            .expect("a vector")
            .iter()
            .map(|e| e["value"][1].as_str().and_then(|v| v.parse().ok()).expect("a number"))
            .collect();
        assert!(values.iter().any(|v| v.to_bits() == value.to_bits()), "{line}: {found}");
        scraped += 1;
    }
    assert!(scraped > 100, "{scraped}");
}

#[test]
fn processes_have_their_newest_sample() {
    let served = seen(3);
    let newest = query_at(&served.address, "count(trial_process_memory_bytes)", start() + 2.0);
    assert_eq!(newest["result"][0]["value"][1], "3");
    let before = query_at(&served.address, "trial_process_memory_bytes", start() + 1.0);
    assert_eq!(before["result"], json!([]), "no history");
    let gone = Snapshot { trials: vec![], ..fixture::after(4) };
    show(&served, gone);
    assert_eq!(query_at(&served.address, "trial_process_memory_bytes", start() + 4.0)["result"], json!([]));
}

#[test]
fn metadata_and_version() {
    let served = seen(0);
    let all = data(&served.address, "/api/v1/metadata");
    assert_eq!(all["trial_steps_total"][0]["type"], "counter");
    assert_eq!(all["trial_step_duration_seconds"][0]["type"], "histogram");
    assert!(all["earlystop_query_bytes"][0]["help"].as_str().is_some_and(|help| help.ends_with('.')));
    let one = data(&served.address, "/api/v1/metadata?metric=trial_step&limit=1");
    assert_eq!(one.as_object().map(|all| all.keys().collect::<Vec<_>>()), Some(vec![&"trial_step".to_owned()]));
    let version = data(&served.address, "/api/v1/status/buildinfo")["version"].as_str().expect("a text").to_owned();
    let (compared, ours) = version.split_once('+').expect("what is compared, and who it is");
    assert!(compared.split('.').all(|n| n.parse::<u32>().is_ok()) && ours.starts_with("earlystop"), "{version}");
}

#[test]
fn rules_and_alerts() {
    let served = seen(0);
    let text = "[[rule]]\nname = \"cap\"\nmetric = \"memory\"\nabove = \"100 MiB\"\nfor = \"5s\"\n\
                [[rule]]\nname = \"long\"\nmetric = \"elapsed\"\nabove = \"1h\"\naction = \"warn\"\n\
                summary = \"{{ trial }} takes {{ value | duration }}\"\n";
    let (policy, _) = policy::parse(text, "folder/mine.toml".as_ref(), &Context::default()).expect("a policy");
    let alert = |rule: &str, firing, value| AlertView {
        run: fixture::full_trial().run,
        rule: rule.into(),
        labels: vec![],
        firing,
        since: fixture::now(),
        value,
    };
    let alerts = vec![alert("cap", false, 2e8), alert("long", true, 7200.0)];
    // One trial, so that its id tells whose the alerts are.
    let mut snapshot = fixture::of(vec![fixture::full_trial()]);
    (snapshot.policy, snapshot.alerts, snapshot.interval_ns) = (Arc::new(policy), alerts, SECOND);
    served.state.publish(Arc::new(snapshot.clone()));
    let groups = data(&served.address, "/api/v1/rules");
    let group = &groups["groups"][0];
    assert_eq!(
        (&group["name"], &group["file"], &group["interval"]),
        (&json!("mine"), &json!("folder/mine.toml"), &json!(1.0))
    );
    let (cap, long) = (&group["rules"][0], &group["rules"][1]);
    assert_eq!((&cap["name"], &cap["state"], &cap["duration"]), (&json!("cap"), &json!("pending"), &json!(5.0)));
    assert_eq!((&cap["type"], &long["state"]), (&json!("alerting"), &json!("firing")));
    assert!(cap["query"].as_str().is_some_and(|query| query.contains("trial_memory_bytes >")), "{cap}");
    let found = &long["alerts"][0];
    assert_eq!(found["labels"], json!({"alertname": "long", "trial": "svm-1", "experiment": "red_wine"}));
    assert_eq!((&found["value"], &found["state"]), (&json!("7.2e+03"), &json!("firing")));
    assert_eq!(found["annotations"]["summary"], "svm-1 takes 2h");
    assert_eq!(found["activeAt"], "2026-09-21T14:15:00.000Z");
    let all = data(&served.address, "/api/v1/alerts");
    assert_eq!(all["alerts"].as_array().map(Vec::len), Some(2));
    assert_eq!(data(&served.address, "/api/v1/rules?type=record"), json!({"groups": []}));
    let one = data(&served.address, "/api/v1/rules?rule_name[]=long&exclude_alerts=true");
    assert_eq!(one["groups"][0]["rules"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["groups"][0]["rules"][0].get("alerts"), None);
    // An alert of a trial that is not there any more is left out.
    snapshot.alerts[0].run = RunId::from_parts(1, 1);
    served.state.publish(Arc::new(snapshot));
    assert_eq!(data(&served.address, "/api/v1/alerts")["alerts"].as_array().map(Vec::len), Some(1));
}

#[test]
fn passwords_are_asked_for_here_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("web.yml");
    std::fs::write(&file, letting_in("ann", "sesame")).expect("written");
    let served = Served::at("127.0.0.1:0", Some(WebConfig::load(&file).expect("it is right")));
    for path in ["/api/v1/query?query=1", "/api/v1/rules", "/api/v1/nothing"] {
        assert_eq!(get(&served.address, path).expect("an answer").0, 401, "{path}");
    }
}

#[test]
fn other_methods_are_refused() {
    let served = seen(0);
    let put = "PUT /api/v1/query HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(prometheus::exchange(&served.address, put).expect("an answer").0, 405);
    let head = "HEAD /api/v1/query?query=1 HTTP/1.0\r\nHost: x\r\n\r\n";
    assert_eq!(prometheus::exchange(&served.address, head).expect("an answer"), (200, String::new()));
}

/// Queries that keep a core busy for as long as they are let.
const HOSTILE: [&str; 3] = [
    "count_over_time((sum by (trial) ({__name__=~\".+\"}))[1h:1ms])",
    "max_over_time(max_over_time(sum(trial_state)[1h:1s])[1h:1s])",
    "sum(rate({__name__=~\"trial_.+\"}[1h]) * on (trial, experiment) group_left () trial_start_time_seconds)",
];

#[test]
fn a_hostile_query_holds_up_neither_scrapes_nor_ticks_nor_the_end() {
    let stage = Stage::on_a_port("");
    let _trainer = stage.python(TRAINER);
    let address = stage.address();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let hostile: Vec<_> = (0..6)
            .map(|n| {
                let path = format!("/api/v1/query?timeout=20s&query={}", encode(HOSTILE[n % HOSTILE.len()]));
                let (address, done) = (&address, &done);
                scope.spawn(move || {
                    let mut answers = 0;
                    while !done.load(Ordering::Relaxed) {
                        let (status, body) = get(address, &path).expect("an answer");
                        assert!([200, 400, 422, 503].contains(&status), "{status} {body}");
                        answers += 1;
                    }
                    answers
                })
            })
            .collect();
        let mut ticks = Vec::new();
        wait_for("50 scrapes that see 50 ticks", LONG, || {
            let scrape = get(&address, "/metrics").expect("a scrape").1;
            assert_eq!(get(&address, "/-/healthy").expect("an answer").0, 200);
            let tick = scrape.lines().find(|line| line.starts_with("earlystop_last_sample_timestamp_seconds "));
            ticks.extend(tick.map(str::to_owned));
            ticks.dedup();
            (ticks.len() >= 50).then_some(())
        });
        done.store(true, Ordering::Relaxed);
        assert!(hostile.into_iter().map(|thread| thread.join().expect("it ends")).sum::<u32>() > 0);
    });
}

/// [`TRAINER`] under another name, which comes to its end.
fn brief(name: &str) -> String {
    let script = TRAINER.replace("steady", name).replace("range(1, 100000)", "range(1, 60)");
    format!("{script}\nsay(type=\"done\", status=\"completed\", metrics={{\"val_rmse\": 0.5}})\n")
}

/// What Grafana's Prometheus data source sends when it is saved, explored and shows a dashboard.
#[test]
fn grafana_finds_what_it_asks_for() {
    let stage = Stage::on_a_port("[[rule]]\nname = \"cap\"\nmetric = \"memory\"\nabove = \"100 GiB\"\n");
    let (_steady, _brief) = (stage.python(TRAINER), stage.python(&brief("brief")));
    assert!(stage.command(&["run", "--trial", "short", "--", "true"]).status().expect("it runs").success());
    let address = stage.address();
    let (status, saved) = parsed(post(&address, "/api/v1/query", "query=1%2B1&time=4").expect("an answer"));
    assert_eq!((status, &saved["data"]["result"]), (200, &json!([4, "2"])));
    data(&address, "/api/v1/status/buildinfo");
    data(&address, "/api/v1/metadata?limit=40000");
    assert_eq!(data(&address, "/api/v1/rules")["groups"][0]["rules"][0]["name"], "cap");
    assert_eq!(get(&address, "/api/v1/query_exemplars?query=test").expect("an answer").0, 404, "there are none");
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let span = || format!("start={}&end={}", now() - 900.0, now() + 1.0);
    let form = format!("match[]=trial_step&limit=40000&{}", span());
    let (_, labels) = wait_for("labels", LONG, || {
        let answer = parsed(post(&address, "/api/v1/labels", &form).expect("an answer"));
        answer.1["data"].as_array().is_some_and(|all| !all.is_empty()).then_some(answer)
    });
    assert_eq!(labels["data"], json!(["__name__", "experiment", "trial"]));
    wait_for("both trials", LONG, || {
        let values = data(&address, &format!("/api/v1/label/trial/values?match[]=trial_info&{}", span()));
        (values == json!(["brief", "short", "steady"])).then_some(())
    });
    let of_trouble = |expr: &str| expr.ends_with("> 0") || expr.ends_with("== 0");
    let mut silent = queries();
    wait_for("every panel shows data", LONG, || {
        silent.retain(|(panel, expr)| {
            let form = format!("query={}&step=1&{}", encode(expr), span().replace("900", "30"));
            let (status, answer) = parsed(post(&address, "/api/v1/query_range", &form).expect("an answer"));
            assert!(status == 200 && answer["status"] == "success", "{panel}: {expr}: {answer}");
            let empty = answer["data"]["result"].as_array().is_some_and(Vec::is_empty);
            empty && !of_trouble(expr) && !needs_a_stop(expr)
        });
        eprintln!("without data: {silent:?}");
        silent.is_empty().then_some(())
    });
}

/// Panels about stops have nothing to show where nothing was stopped.
fn needs_a_stop(expr: &str) -> bool {
    ["trial_stops_total", "saved_seconds", "stopp"].iter().any(|part| expr.contains(part))
}

/// `promtool query ...`; what it prints.
fn promtool(words: &[&str]) -> Option<String> {
    let output = Command::new(tool("promtool")?).arg("query").args(words).output().expect("promtool runs");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{words:?}: {}{}", said(&output.stdout), said(&output.stderr));
    Some(said(&output.stdout))
}

#[test]
fn promtool_asks_us_as_it_asks_prometheus() {
    if tool("promtool").is_none() {
        return;
    }
    let stage = Stage::on_a_port("");
    let _steady = stage.python(TRAINER);
    let server = format!("http://{}", stage.address());
    let instant = wait_for("a step", LONG, || {
        promtool(&["instant", &server, "trial_step{trial=\"steady\"} > 5"]).filter(|said| !said.trim().is_empty())
    });
    assert!(instant.starts_with("trial_step{experiment=\"wine\", trial=\"steady\"} => "), "{instant}");
    let series = promtool(&["series", "--match", "trial_target_steps", &server]).expect("promtool");
    assert_eq!(series.trim(), "{__name__=\"trial_target_steps\", experiment=\"wine\", trial=\"steady\"}");
    let labels = promtool(&["labels", &server, "experiment"]).expect("promtool");
    assert_eq!(labels.trim(), "wine");
    let range = promtool(&["range", "--step", "1s", &server, "rate(trial_steps_total[10s])"]).expect("promtool");
    assert!(range.contains("{experiment=\"wine\", trial=\"steady\"} =>"), "{range}");
    let json = promtool(&["-o", "json", "instant", &server, "vector(1) / 0"]).expect("promtool");
    let said: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(said[0]["value"][1], "+Inf", "{json}");
    let wrong =
        Command::new(tool("promtool").expect("it was there")).args(["query", "instant", &server, "sum("]).output();
    assert!(!wrong.expect("promtool runs").status.success());
}

/// Labels without those that a scrape adds. Before version 3, Prometheus keeps `le` as it was written: it is compared as the
/// number that it is.
fn own_labels(metric: &Value) -> BTreeMap<String, String> {
    let pairs =
        metric.as_object().expect("labels").iter().filter(|(name, _)| !["job", "instance"].contains(&name.as_str()));
    let text = |(name, value): (&String, &Value)| (name.clone(), value.as_str().expect("a text").to_owned());
    let mut labels: BTreeMap<_, _> = pairs.map(text).collect();
    if let Some(le) = labels.get_mut("le") {
        *le = format!("{:?}", le.parse::<f64>().expect("a bound"));
    }
    labels
}

/// A vector by labels.
fn by_labels(vector: &[Value]) -> BTreeMap<BTreeMap<String, String>, String> {
    let pair = |e: &Value| (own_labels(&e["metric"]), e["value"][1].as_str().expect("a number").to_owned());
    vector.iter().map(pair).collect()
}

#[test]
fn a_real_prometheus_that_scrapes_us_says_the_same() {
    let Some(binary) = tool("prometheus") else { return };
    let stage = Stage::on_a_port("[[rule]]\nname = \"cap\"\nmetric = \"memory\"\nabove = \"100 GiB\"\n");
    let address = stage.address();
    let prometheus = Prometheus::scraping(&binary, &address, "");
    let _short = stage.python(&brief("short"));
    stage.wait_state("short", "completed");
    // What stays of an ended trial no longer changes: both must say the same, to the last bit.
    for expr in [
        "{trial=\"short\", __name__=~\"trial_.+\"}",
        "sum by (state) (trial_state)",
        "histogram_quantile(0.9, sum by (le) (trial_step_duration_seconds_bucket))",
        "trial_step_duration_seconds_sum / on (trial) trial_step_duration_seconds_count",
        "topk(2, trial_phase_seconds_total)",
        "count by (__name__) ({__name__=~\"trial_.+\"})",
        "label_replace(trial_exit_info, \"why\", \"$1\", \"cause\", \"(.)ompleted\")",
        "absent(trial_memory_bytes)",
        "trial_stops_total or on () earlystop_host_memory_total_bytes",
    ] {
        wait_for(&format!("the same answers to {expr}"), LONG, || {
            let theirs = by_labels(&prometheus.query(expr).expect("a result"));
            let ours = data(&address, &format!("/api/v1/query?query={}", encode(expr)));
            let ours = by_labels(ours["result"].as_array().expect("a vector"));
            let same = !ours.is_empty() && ours == theirs;
            if !same {
                let odd = ours.iter().find(|(labels, value)| theirs.get(*labels) != Some(value));
                eprintln!("{expr}: ours {}, theirs {} series; first difference: {odd:?}", ours.len(), theirs.len());
            }
            same.then_some(())
        });
    }
    let living =
        data(&address, &format!("/api/v1/query?query={}", encode("count(last_over_time(trial_memory_bytes[5m]))")));
    assert_eq!(living["result"][0]["value"][1], "1", "its past is still there");
}
