//! Policies as users write them: every way of being wrong with its exact message, files and folders together, and the
//! policies that are shipped.

use std::fs;
use std::path::{Path, PathBuf};

use earlystop::cli::check::{self, Check};
use earlystop::cli::diagnostics::{Style, print};
use earlystop::model::{
    Access, Action, Arithmetic, Comparison, Diagnostic, Guard, Password, Policy, Rule, SECOND, Secret, SeriesName,
    Shorthand, Signal, Target, TlsFiles,
};
use earlystop::policy::{self, Config, Context, words};

/// Writes the `.stderr` files anew instead of comparing with them; the difference then shows in `git diff`.
const REGENERATE: &str = "EARLYSTOP_REGENERATE";

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/policy")
}

/// What `check` writes, and its exit code.
fn checked(paths: &[PathBuf], explain: bool) -> (String, u8) {
    let mut out = Vec::new();
    let check = Check { paths: paths.to_vec(), config: None, explain };
    let code = check::run(&check, Style::Plain, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), code)
}

/// Compares with the file beside it, or writes it.
fn compare(expected: &Path, seen: &str) -> Result<(), String> {
    if std::env::var_os(REGENERATE).is_some() {
        fs::write(expected, seen).unwrap();
        return Ok(());
    }
    let text = fs::read_to_string(expected).unwrap_or_default();
    match text == seen {
        true => Ok(()),
        false => Err(format!("{}\n--- expected\n{text}--- seen\n{seen}", expected.display())),
    }
}

#[test]
fn every_way_of_being_wrong_has_its_message() {
    let mut files: Vec<PathBuf> = fs::read_dir(data().join("wrong")).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "toml"));
    files.sort();
    assert!(files.len() >= 18, "{files:?}");
    let mut failed = Vec::new();
    for file in files {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        let name = file.file_name().unwrap().to_str().unwrap();
        let seen = match name {
            "config.toml" | "remote.toml" => {
                rendered(Config::parse(&text, Path::new(name)).map(|(_, warnings)| warnings))
            }
            "not-utf8.toml" => checked(std::slice::from_ref(&file), false).0.replace(file.to_str().unwrap(), name),
            _ => rendered(policy::parse(&text, Path::new(name), &Context::default()).map(|(_, warnings)| warnings)),
        };
        assert!(!seen.is_empty(), "{name} is not wrong");
        failed.extend(compare(&file.with_extension("stderr"), &seen).err());
    }
    assert!(failed.is_empty(), "{}\nwrite them anew with {REGENERATE}=1", failed.join("\n"));
}

fn rendered(findings: Result<Vec<Diagnostic>, Vec<Diagnostic>>) -> String {
    let mut out = Vec::new();
    print(&findings.unwrap_or_else(|errors| errors), Style::Plain, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn shipped_policies_are_clean_and_say_what_they_mean() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let (text, code) = checked(std::slice::from_ref(&folder), false);
    assert_eq!((text.as_str(), code), ("5 rules in 5 files, no findings\n", 0));
    // Beside the others it would have every machine ask a server that is not there.
    let fleet = checked(&[folder.join("fleet")], false);
    assert_eq!(fleet, ("1 rule in 1 file, no findings\n".to_string(), 0));
    let learning = checked(&[folder.join("learning")], false);
    assert_eq!(learning, ("5 rules in 4 files, no findings\n".to_string(), 0));
    let (text, code) = checked(std::slice::from_ref(&folder), true);
    assert_eq!(code, 0);
    let text = text.replace(folder.to_str().unwrap(), "policies");
    compare(&data().join("explain.txt"), &text).unwrap();
}

/// What a rule says in the shorthand's terms.
fn told(rule: &Rule) -> Shorthand {
    rule.shorthand.clone().expect("it was written in the shorthand")
}

/// A policy that must be sound.
fn policy_of(text: &str) -> Policy {
    let parsed = policy::parse(text, Path::new("p.toml"), &Context::default());
    parsed.unwrap_or_else(|errors| panic!("{}", rendered(Err(errors)))).0
}

/// The one rule that these keys make.
fn rule_of(keys: &str) -> Rule {
    let policy = policy_of(&format!("[[rule]]\nname = \"r\"\n{keys}\n"));
    assert_eq!(policy.rules.len(), 1);
    (*policy.rules[0]).clone()
}

/// The codes that are found in this text.
fn codes(text: &str) -> Vec<&'static str> {
    match policy::parse(text, Path::new("p.toml"), &Context::default()) {
        Ok((_, findings)) | Err(findings) => findings.iter().map(|f| f.code).collect(),
    }
}

fn select(metric: &str) -> SeriesName {
    SeriesName { metric: metric.to_string(), labels: Vec::new() }
}

fn reported(name: &str) -> Shorthand {
    Shorthand::Series(SeriesName { metric: "trial_metric".into(), labels: vec![("metric".into(), name.into())] })
}

fn compare_to(left: Shorthand, op: Comparison, right: Shorthand) -> Shorthand {
    Shorthand::Compare(op, Box::new(left), Box::new(right))
}

fn above(left: Shorthand, n: f64) -> Shorthand {
    compare_to(left, Comparison::Above, Shorthand::Number(n))
}

fn arithmetic(op: Arithmetic, a: Shorthand, b: Shorthand) -> Shorthand {
    Shorthand::Arithmetic(op, Box::new(a), Box::new(b))
}

#[test]
fn every_short_name_becomes_its_expression() {
    const MINUTE: u64 = 60 * SECOND;
    let plain = |metric: &str| Shorthand::Series(select(metric));
    let rate = |metric: &str, ns| Shorthand::Rate(select(metric), ns);
    let step_time = |ns| {
        let (sum, count) = ("trial_step_duration_seconds_sum", "trial_step_duration_seconds_count");
        arithmetic(Arithmetic::Over, rate(sum, ns), rate(count, ns))
    };
    let age = arithmetic(Arithmetic::Minus, Shorthand::Now, plain("trial_last_heartbeat_timestamp_seconds"));
    let table = [
        ("memory", "\"1 MiB\"", plain("trial_memory_bytes"), 1048576.0),
        ("memory_peak", "\"1 MB\"", plain("trial_memory_peak_bytes"), 1e6),
        ("resident_memory", "4096", plain("trial_resident_memory_bytes"), 4096.0),
        ("shared_memory", "\"1 KiB\"", plain("trial_shared_memory_bytes"), 1024.0),
        ("swap", "\"1 kB\"", plain("trial_swap_bytes"), 1000.0),
        ("cpu", "1.5", plain("trial_cpu_utilization_ratio"), 1.5),
        ("cpu", "\"150 %\"", plain("trial_cpu_utilization_ratio"), 1.5),
        ("cpu_seconds", "\"1h\"", Shorthand::Sum(select("trial_cpu_seconds_total")), 3600.0),
        ("processes", "10", plain("trial_processes"), 10.0),
        ("threads", "10", plain("trial_threads"), 10.0),
        ("elapsed", "\"1h30m\"", plain("trial_elapsed_seconds"), 5400.0),
        ("step", "1000", plain("trial_step"), 1000.0),
        ("epoch", "2.5", plain("trial_epoch"), 2.5),
        ("step_time", "\"500ms\"", step_time(MINUTE), 0.5),
        ("steps_per_second", "100", rate("trial_steps_total", MINUTE), 100.0),
        ("io_read", "\"1 GB\"", plain("trial_io_read_bytes_total"), 1e9),
        ("io_written", "\"1 GB\"", plain("trial_io_written_bytes_total"), 1e9),
        ("heartbeat_age", "\"5m\"", age, 300.0),
        ("gpu_memory", "\"1 GiB\"", plain("trial_gpu_memory_bytes"), 1073741824.0),
        ("gpu_utilization", "\"90 %\"", plain("trial_gpu_utilization_ratio"), 0.9),
        ("trial_threads", "10", plain("trial_threads"), 10.0),
        ("trial_major_page_faults_total", "10", plain("trial_major_page_faults_total"), 10.0),
    ];
    for (name, bound, expr, number) in table {
        let rule = rule_of(&format!("metric = \"{name}\"\nabove = {bound}"));
        assert_eq!(told(&rule), above(expr, number), "{name}");
    }
    let rule = rule_of("metric = \"step_time\"\nabove = \"1s\"\nmean_over = \"5m\"");
    assert_eq!(told(&rule), above(step_time(5 * MINUTE), 1.0), "mean_over takes the place of the minute");
    let rule = rule_of("metric = \"memory\"\nabove = 1\nmean_over = \"2s\"");
    assert_eq!(told(&rule), above(Shorthand::Mean(select("trial_memory_bytes"), 2 * SECOND), 1.0));
}

#[test]
fn bounds_become_comparisons() {
    let loss = || reported("val_loss");
    let nan = |e: Shorthand| Shorthand::Any(vec![e, Shorthand::IsNan(Box::new(loss()))]);
    let cases = [
        ("above = 5", nan(above(loss(), 5.0))),
        ("below = 5", nan(compare_to(loss(), Comparison::Below, Shorthand::Number(5.0)))),
        ("above = 5\nnan = false", above(loss(), 5.0)),
        ("above = 5\nnan = true", nan(above(loss(), 5.0))),
        ("nan = true", Shorthand::NotFinite(Box::new(loss()))),
        (
            "above = 1\nbelow = 2\nnan = false",
            compare_to(above(loss(), 1.0), Comparison::Below, Shorthand::Number(2.0)),
        ),
    ];
    for (keys, expected) in cases {
        assert_eq!(told(&rule_of(&format!("metric = \"val_loss\"\n{keys}"))), expected, "{keys}");
    }
    let clash = rule_of("metric = \"metrics.memory\"\nabove = 1\nnan = false");
    assert_eq!(told(&clash), above(reported("memory"), 1.0));
    let limit = Shorthand::Series(select("trial_memory_limit_bytes"));
    let share = arithmetic(Arithmetic::Times, limit, Shorthand::Number(0.8));
    let memory = Shorthand::Series(select("trial_memory_bytes"));
    let rule = rule_of("metric = \"memory\"\nabove = \"80 %\"");
    assert_eq!(told(&rule), compare_to(memory, Comparison::Above, share));
}

#[test]
fn progress_and_all_become_expressions() {
    let stalled = above(Shorthand::SinceStep(vec!["eval".into()]), 600.0);
    let late = above(Shorthand::SinceHello, 60.0);
    let keys = "no_progress_for = \"10m\"\nexcept_phases = [\"eval\"]";
    assert_eq!(told(&rule_of(keys)), stalled);
    assert_eq!(told(&rule_of("startup_limit = \"1m\"")), late);
    assert_eq!(told(&rule_of(&format!("{keys}\nstartup_limit = \"1m\""))), Shorthand::Any(vec![stalled, late]));
    let memory = above(Shorthand::Series(select("trial_memory_bytes")), 5.0);
    let idle =
        compare_to(Shorthand::Series(select("trial_cpu_utilization_ratio")), Comparison::Below, Shorthand::Number(0.1));
    let all = |parts: &str| told(&rule_of(&format!("all = [ {parts} ]")));
    let (m, i) = ("{ metric = \"memory\", above = 5 }", "{ metric = \"cpu\", below = \"10 %\" }");
    assert_eq!(all(&format!("{m}, {i}")), Shorthand::All(vec![memory.clone(), idle]));
    assert_eq!(all(m), memory);
}

#[test]
fn the_other_keys_of_a_rule() {
    let rule = rule_of(
        "metric = \"val_loss\"\nabove = 3\nfor = \"5s\"\nkeep_firing_for = \"1m\"\nfor_reports = 3\nwarmup = \"30s\"\n\
         warmup_steps = 100\naction = \"stop\"\nobserve = true\nmax_stops = \"5 per 1h\"\nserial = true\nsettle = \"7s\"\n\
         stop_group = true\nladder = \"urgent\"\nsummary = \"{{ value }}\"\n\
         where = { experiment = \"red_*\", param.lr = 0.10, \"param.b\" = \"32\", fold = 3 }",
    );
    assert_eq!((rule.hold_ns, rule.keep_firing_ns, rule.warmup_ns), (5 * SECOND, 60 * SECOND, 30 * SECOND));
    assert_eq!((rule.for_reports, rule.warmup_steps, rule.action), (Some(3), 100, Action::Stop));
    assert_eq!((rule.observe, rule.stop_group, rule.serial_ns), (true, true, Some(7 * SECOND)));
    assert_eq!((rule.max_stops, &*rule.ladder.name), (Some((5, 3600 * SECOND)), "urgent"));
    assert_eq!((rule.summary.as_deref(), rule.place), (Some("{{ value }}"), (PathBuf::from("p.toml"), 1)));
    let globs: Vec<(&str, &str)> = rule.filter.globs.iter().map(|(k, g)| (k.as_str(), g.glob().glob())).collect();
    assert_eq!(globs, [("experiment", "red_*"), ("fold", "3"), ("param.lr", "0.10"), ("param.b", "32")]);
    let plain = rule_of("metric = \"cpu\"\nabove = 3");
    assert_eq!((plain.hold_ns, plain.for_reports, plain.serial_ns, plain.max_stops), (0, None, None, None));
    assert_eq!(rule_of("metric = \"cpu\"\nabove = 3\nserial = true").serial_ns, Some(5 * SECOND));
    assert_eq!(rule_of("metric = \"cpu\"\nabove = 3\naction = \"warn\"").action, Action::Warn);
}

#[test]
fn rules_on_memory_swap_and_the_host_are_urgent() {
    let ladder = |keys: &str| rule_of(keys).ladder.name.to_string();
    for keys in [
        "metric = \"memory\"\nabove = 1",
        "metric = \"swap\"\nabove = 1",
        "metric = \"memory_peak\"\nabove = 1",
        "metric = \"trial_process_memory_bytes\"\nabove = 1",
    ] {
        assert_eq!(ladder(keys), "urgent", "{keys}");
    }
    for keys in ["metric = \"cpu\"\nabove = 1", "metric = \"memory_loss\"\nabove = 1", "no_progress_for = \"1m\""] {
        assert_eq!(ladder(keys), "gentle", "{keys}");
    }
    assert_eq!(ladder("metric = \"memory\"\nabove = 1\nladder = \"gentle\""), "gentle");
}

#[test]
fn ladders_of_ones_own() {
    let policy = policy_of(
        "[[rule]]\nname = \"a\"\nmetric = \"cpu\"\nabove = 1\nladder = \"slow\"\n\
         [[rule]]\nname = \"b\"\nmetric = \"cpu\"\nabove = 1\n\
         [ladder.slow]\nrungs = [ { ask = true, wait = \"1m\", max = \"1h\" },\n\
         { signal = \"SIGINT\", to = \"trainer\", wait = \"5s\" }, { signal = \"KILL\" } ]\n\
         [ladder.gentle]\nrungs = [ { signal = \"SIGKILL\" } ]\n",
    );
    let rungs = &policy.rules[0].ladder.rungs;
    assert_eq!(
        (rungs[0].ask, rungs[0].signal, rungs[0].wait_ns, rungs[0].max_ns),
        (true, None, 60 * SECOND, 3600 * SECOND)
    );
    assert_eq!((rungs[1].signal.unwrap().to_string().as_str(), rungs[1].to), ("SIGINT", Target::Trainer));
    assert_eq!((rungs[2].signal, rungs[2].to, rungs.len()), (Some(Signal::KILL), Target::Tree, 3));
    assert_eq!(policy.rules[1].ladder.rungs.len(), 1, "gentle was defined anew");
    assert_eq!(policy.gentle, Some(policy.rules[1].ladder.clone()), "and stops by hand take it, too");
}

#[test]
fn the_guard_is_on_unless_switched_off() {
    assert_eq!(policy_of("").guard, Some(Guard::default()));
    assert_eq!(policy_of("[guard]\nenabled = false\n").guard, None);
    let guard = policy_of("[guard]\nmax_share = \"50 %\"\nkeep_best = 2\nafter = 10\n").guard;
    assert_eq!(guard, Some(Guard { max_share: 0.5, after: 10, keep_best: 2 }));
}

#[test]
fn reasons_are_words_with_the_value_seen() {
    let reason = |keys: &str, value: f64| words::reason(&rule_of(keys), value);
    let mib = 1048576.0;
    let memory = "metric = \"memory\"\nabove = \"512 MiB\"\nfor = \"5s\"";
    assert_eq!(rule_of(memory).words, "memory > 512 MiB");
    assert_eq!(reason(memory, 612.0 * mib), "memory 612 MiB > 512 MiB for 5s");
    let share = "metric = \"memory\"\nabove = \"80 %\"";
    assert_eq!(reason(share, 612.0 * mib), "memory 612 MiB > 80 % of the limit");
    let loss = "metric = \"val_loss\"\nabove = 10";
    assert_eq!(reason(loss, 12.5), "val_loss 12.5 > 10");
    assert_eq!(reason(loss, f64::NAN), "val_loss is NaN");
    assert_eq!(reason("metric = \"val_loss\"\nnan = true", f64::INFINITY), "val_loss is +Inf");
    assert_eq!(reason("metric = \"cpu\"\nabove = 1\nbelow = 2", 1.5), "cpu 1.5 between 1 and 2");
    assert_eq!(reason("metric = \"cpu\"\nbelow = 2\nmean_over = \"1m\"", 1.5), "mean cpu over 1m 1.5 < 2");
    let stalled = "no_progress_for = \"10m\"\nstartup_limit = \"30m\"";
    assert_eq!(rule_of(stalled).words, "no step for 10m or no first step within 30m of hello");
    assert_eq!(reason(stalled, 601.0), "no step for 10m1s, allowed are 10m");
    assert_eq!(reason(stalled, 1801.0), "no first step 30m1s after hello, allowed are 30m");
    let all = "all = [ { metric = \"elapsed\", above = \"1h\" }, { metric = \"step\", below = 100 } ]";
    assert_eq!(reason(all, 3700.0), "elapsed 1h1m40s > 1h and step < 100");
}

#[test]
fn windows_must_hold_two_samples_of_the_interval_in_force() {
    let text = "[[rule]]\nname = \"a\"\nmetric = \"cpu\"\nabove = 1\nmean_over = \"1s\"\n";
    assert_eq!(codes(text), ["short-window"]);
    let context = Context { interval_ns: SECOND / 2, ..Context::default() };
    assert!(policy::parse(text, Path::new("p.toml"), &context).is_ok());
    let context = Context { interval_ns: 40 * SECOND, ..Context::default() };
    let text = "[[rule]]\nname = \"a\"\nmetric = \"step_time\"\nabove = \"1s\"\n";
    assert!(policy::parse(text, Path::new("p.toml"), &context).is_err(), "its minute is too short then");
}

#[test]
fn one_mistake_is_one_finding() {
    let rule = |keys: &str| format!("[[rule]]\nname = \"a\"\n{keys}\n");
    assert_eq!(codes(&rule("metirc = \"memory\"\nabove = 1")), ["unknown-key"]);
    assert_eq!(codes(&rule("metric = \"memory\"\nabvoe = 1")), ["unknown-key"]);
    assert_eq!(codes(&rule("metric = 3\nabove = 1")), ["wrong-type"]);
    assert_eq!(codes("[[rule]]\nnmae = \"a\"\nmetric = \"memory\"\nabove = 1\n"), ["unknown-key"]);
    // No key of a rule is taken for a misspelt condition.
    for key in ["name", "for", "ladder", "action", "observe", "serial", "settle", "summary", "warmup", "where"] {
        assert!(codes(&format!("[[rule]]\n{key} = 3\n")).contains(&"no-condition"), "{key}");
    }
}

#[test]
fn files_come_in_the_order_of_names_and_rules_in_that_of_places() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, rules: &[&str]| {
        let rule = |r: &&str| format!("[[rule]]\nname = \"{r}\"\nmetric = \"cpu\"\nabove = 1\n");
        fs::write(folder.path().join(name), rules.iter().map(rule).collect::<String>()).unwrap();
    };
    write("b.toml", &["b2", "b1"]);
    write("a.toml", &["z"]);
    write(".hidden.toml", &["hidden"]);
    write("c.toml.orig", &["orig"]);
    fs::create_dir(folder.path().join("d.toml")).unwrap();
    let paths = [folder.path().to_path_buf(), folder.path().join("b.toml")];
    let (policy, warnings) = policy::load(&paths, &Context::default()).unwrap();
    let names: Vec<&str> = policy.rules.iter().map(|r| &*r.name).collect();
    assert_eq!((names, warnings.len(), policy.texts.len()), (vec!["z", "b2", "b1"], 0, 2));
    assert_eq!(policy.rules[2].place.1, 5);

    write("c.toml", &["z"]);
    let errors = policy::load(&paths, &Context::default()).unwrap_err();
    let first = folder.path().join("a.toml");
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].file, folder.path().join("c.toml"));
    assert_eq!(errors[0].message, format!("a second rule `z`; the first is at {}:2", first.display()));
}

#[test]
fn a_ladder_serves_every_file_and_a_guard_stands_once() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("a.toml", "[[rule]]\nname = \"a\"\nmetric = \"cpu\"\nabove = 1\nladder = \"own\"\n");
    write("b.toml", "[ladder.own]\nrungs = [ { signal = \"SIGKILL\" } ]\n[guard]\nkeep_best = 3\n");
    let load = || policy::load(&[folder.path().to_path_buf()], &Context::default());
    let (policy, _) = load().unwrap();
    assert_eq!((&*policy.rules[0].ladder.name, policy.guard.unwrap().keep_best), ("own", 3));
    write("c.toml", "[ladder.own]\nrungs = [ { signal = \"SIGKILL\" } ]\n[guard]\n");
    let codes: Vec<&str> = load().unwrap_err().iter().map(|f| f.code).collect();
    assert_eq!(codes, ["duplicate-ladder", "duplicate-guard"]);
}

#[test]
fn exit_codes_tell_findings_from_files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("good.toml"), "[[rule]]\nname = \"a\"\nmetric = \"cpu\"\nabove = 1\n").unwrap();
    fs::write(path("bad.toml"), "[[rule]]\n").unwrap();
    assert_eq!(checked(&[path("good.toml")], false), ("1 rule in 1 file, no findings\n".to_string(), 0));
    assert_eq!(checked(&[path("bad.toml")], false).1, 1);
    let (text, code) = checked(&[path("none.toml")], false);
    assert_eq!(code, 2);
    assert!(text.contains("none.toml:1:1: error[unreadable]: cannot be read: No such file"), "{text}");
    assert_eq!(checked(&[PathBuf::from("/dev/zero")], false).1, 2, "a device never ends");
    fs::write(path("huge.toml"), vec![b'#'; (1 << 20) + 1]).unwrap();
    assert_eq!(checked(&[path("huge.toml")], false).1, 2);
    fs::create_dir(path("empty")).unwrap();
    let (text, code) = checked(&[path("empty")], false);
    assert_eq!(code, 1);
    assert!(text.contains("warning[no-rules]") && text.ends_with("0 rules in 0 files, 1 warning\n"), "{text}");
}

#[test]
fn check_reads_the_configuration_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let rule = "[[rule]]\nname = \"a\"\nmetric = \"cpu\"\nabove = 1\nmean_over = \"1s\"\n";
    fs::write(path("p.toml"), rule).unwrap();
    let code = |config: &str| {
        fs::write(path("earlystop.toml"), config).unwrap();
        let check = Check { paths: vec![path("p.toml")], config: Some(path("earlystop.toml")), explain: false };
        check::run(&check, Style::Plain, &mut Vec::new()).unwrap()
    };
    assert_eq!(code("interval = \"1s\"\n"), 1, "the window is too short");
    assert_eq!(code("interval = \"100ms\"\n"), 0);
    assert_eq!(code("intervall = \"100ms\"\n"), 1);
}

#[test]
fn a_configuration_has_a_key_for_every_default() {
    let (empty, _) = Config::parse("", Path::new("e.toml")).unwrap();
    assert_eq!(empty.settings, Config::default().settings);
    assert_eq!(empty.settings.interval_ns, SECOND);
    assert_eq!((empty.journal.max_size, empty.journal.max_age_ns), (2 << 30, 30 * 86_400 * SECOND));
    let text = fs::read_to_string(data().join("earlystop.toml")).unwrap();
    let (full, warnings) = Config::parse(&text, Path::new("/etc/earlystop/earlystop.toml")).unwrap();
    assert!(warnings.is_empty());
    assert_eq!(full.policy, [PathBuf::from("/etc/earlystop/policies"), PathBuf::from("/srv/extra.toml")]);
    assert_eq!(full.listen.unwrap().to_string(), "unix:/run/earlystop/http.sock");
    assert_eq!((full.socket, full.state), (Some("/run/e.sock".into()), Some("/var/lib/e".into())));
    assert_eq!((full.group.as_deref(), full.web_config_file), (Some("ml"), Some("/etc/earlystop/web.yml".into())));
    assert_eq!((full.pss_ns, full.settings.observe), (Some(30 * SECOND), true));
    assert_eq!((full.settings.interval_ns, full.settings.gap_grace_ns), (SECOND / 2, 90 * SECOND));
    assert_eq!((full.settings.ended_retention_ns, full.settings.process_series), (300 * SECOND, 0));
    assert_eq!((empty.query.retention_ns, empty.query.memory), (15 * 60 * SECOND, 64 << 20));
    assert_eq!((full.query.retention_ns, full.query.memory), (3600 * SECOND, 32 << 20));
    let limits = full.settings.limits;
    assert_eq!((limits.running_trials, limits.ended_trials, limits.labels, limits.params), (1, 2, 3, 4));
    assert_eq!((limits.value_bytes, limits.metrics, limits.phases), (5, 6, 7));
    assert_eq!((limits.processes, limits.workers, limits.connections), (8, 9, 10));
    assert_eq!((full.journal.max_size, full.journal.max_age_ns), (10 << 20, 86_400 * SECOND));
    let found = &full.discover[0];
    assert!(found.exe.as_ref().unwrap().is_match("/usr/bin/python3.12"));
    assert!(found.cmdline.as_ref().unwrap().is_match("python3 /home/a/train.py --lr 0.1"));
    assert!(found.cgroup.as_ref().unwrap().is_match("/system.slice/docker-0123.scope"));
    assert!(found.stop && full.discover.len() == 1);
    let names = (found.experiment.as_ref().unwrap().as_str(), found.trial.as_ref().unwrap().as_str());
    assert_eq!(names, ("found", "trainer"));
    let remote = full.remote.unwrap();
    assert_eq!(remote.endpoint.to_string(), "https://prometheus.example:443/team");
    assert_eq!(remote.identity, [("instance", "gpu1:9877"), ("zone", "b")].map(|(n, v)| (n.into(), v.into())));
    assert_eq!((remote.timeout_ns, remote.interval_ns), (3 * SECOND, 15 * SECOND));
    assert_eq!(remote.headers, [("x-scope-orgid".to_string(), Secret("ml".into()))]);
    assert_eq!(remote.access, Access::Basic("ann".into(), Password::File("/etc/earlystop/password".into())));
    let (cert, key) = ("/etc/c.pem".into(), "/etc/earlystop/c.key".into());
    let ca_file = Some("/etc/earlystop/ca.pem".into());
    let (server_name, client) = (Some("p".into()), Some((cert, key)));
    assert_eq!(remote.tls, TlsFiles { ca_file, client, server_name, insecure_skip_verify: true });
    let short = "[remote]\nurl = \"http://p\"\nidentity.instance = \"x\"\n";
    let (short, _) = Config::parse(short, Path::new("e.toml")).unwrap();
    assert!(short.context().remote.is_some() && empty.context().remote.is_none());
    let remote = short.remote.unwrap();
    assert_eq!((remote.timeout_ns, remote.interval_ns), (5 * SECOND, 5 * SECOND));
    assert!(remote.access == Access::Open && remote.headers.is_empty() && remote.tls == TlsFiles::default());
}

#[test]
fn the_policys_own_remote_server_takes_the_place_of_the_configurations() {
    let table = |host: &str| format!("[remote]\nurl = \"http://{host}\"\nidentity.instance = \"x\"\n");
    let (config, _) = Config::parse(&table("of-the-host"), Path::new("e.toml")).unwrap();
    let server = |text: &str, context: &Context| {
        let (policy, _) = policy::parse(text, Path::new("p.toml"), context).unwrap();
        policy.remote.map(|remote| remote.endpoint.host.clone())
    };
    assert_eq!(server("", &config.context()).as_deref(), Some("of-the-host"));
    assert_eq!(server(&table("of-the-policy"), &config.context()).as_deref(), Some("of-the-policy"));
    assert_eq!(server(&table("of-the-policy"), &Context::default()).as_deref(), Some("of-the-policy"));
    assert_eq!(server("", &Context::default()), None);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a.toml"), table("a").replace("/a", "/a\"\nbearer_token_file = \"token")).unwrap();
    let (policy, _) = policy::load(&[folder.path().into()], &Context::default()).unwrap();
    assert_eq!(policy.remote.unwrap().access, Access::BearerFile(path("token")), "relative to the policy's folder");
    fs::write(path("b.toml"), table("b")).unwrap();
    let wrong = policy::load(&[folder.path().into()], &Context::default()).unwrap_err();
    assert_eq!((wrong.len(), wrong[0].code), (1, "duplicate-remote"));
    let wrong = policy::parse("[remote]\nurl = \"p\"\n", Path::new("p.toml"), &config.context()).unwrap_err();
    assert_eq!(wrong.iter().map(|f| f.code).collect::<Vec<_>>(), ["missing-key", "bad-value"]);
}

#[test]
fn a_rule_of_the_fleet_needs_a_server_and_somebody_here() {
    let code = |evaluate: &str, expr: &str, remote: &str| {
        let text = format!("[[rule]]\nname = \"a\"\nscope = \"experiment\"\n{evaluate}expr = '{expr}'\n{remote}");
        let parsed = policy::parse(&text, Path::new("p.toml"), &Context::default());
        parsed.map_or_else(|wrong| wrong[0].code, |_| "fine")
    };
    let remote = "[remote]\nurl = \"http://p\"\nidentity = { instance = \"x\" }\n";
    let fleet = |expr: &str| code("evaluate = \"remote\"\n", expr, remote);
    assert_eq!(code("evaluate = \"remote\"\n", "trial_step > 5", ""), "no-remote");
    assert_eq!(code("evaluate = \"elsewhere\"\n", "trial_step > 5", remote), "bad-value");
    assert_eq!(code("evaluate = \"local\"\n", "trial_step > 5", ""), "fine");
    for expr in [
        "trial_step > 5",
        "sum by (trial, experiment, instance) (trial_step) > 5",
        "trial_step > on (experiment) group_left () avg by (experiment) (trial_step)",
        "trial_step @ 1700000000 > 5",
    ] {
        assert_eq!(fleet(expr), "fine", "{expr}");
    }
    assert_eq!(fleet("sum by (instance) (node_load1) > 5"), "nobody", "it names no trial");
    for lost in ["sum by (trial, experiment) (trial_step) > 5", "avg without (instance) (trial_step) > 5"] {
        assert_eq!(fleet(lost), "nobody", "{lost}");
        assert_eq!(code("", &lost.replace("instance", "trial"), ""), "fine", "the sidecar has no such label");
    }
}

#[test]
fn a_remote_server_without_a_place_or_an_identity_is_refused() {
    let code = |text: &str| Config::parse(text, Path::new("e.toml")).unwrap_err()[0].message.clone();
    assert_eq!(code("[remote]\nidentity.instance = \"x\""), "[remote] without a `url`");
    assert_eq!(code("[remote]\nurl = \"http://p\""), "[remote] without an `identity`");
    let all = code("[remote]\nurl = \"http://p\"\nidentity = {}");
    assert_eq!(all, "an empty `identity` would let the series of every host act here");
    let basic = |inner: &str| {
        code(&format!("[remote]\nurl = \"http://p\"\nidentity.instance = \"x\"\nbasic_auth = {{ {inner} }}"))
    };
    assert_eq!(basic("username = \"a\""), "`basic_auth` without a password");
    assert_eq!(basic("password = \"a\""), "`basic_auth` without a `username`");
    let both = basic("username = \"a\", password = \"b\", password_file = \"c\"");
    assert_eq!(both, "password and password_file stand for each other");
    let plain = "[remote]\nurl = \"http://p\"\nidentity.instance = \"x\"\ntls_config = { ca_file = \"c\" }";
    let (_, warnings) = Config::parse(plain, Path::new("e.toml")).unwrap();
    assert_eq!(warnings[0].message, "`tls_config` does nothing without TLS");
}

#[test]
fn the_readme_tells_every_kind_of_stopper_in_the_words_of_check() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for row in earlystop::stopper::KINDS {
        let dialects = if row.dialects.is_empty() { String::new() } else { format!(" ({})", row.dialects.join(", ")) };
        let line = format!("| `{}` | {}{dialects} |", row.name, row.summary);
        assert!(page.contains(&line), "the README lacks\n{line}");
    }
}

#[test]
fn the_policies_that_the_readme_shows_are_clean() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let policies: Vec<&str> = blocks.filter(|block| block.contains("[[rule]]")).collect();
    assert!(!policies.is_empty());
    for text in policies {
        let (policy, warnings) = policy::parse(text, Path::new("README.md"), &Context::default())
            .unwrap_or_else(|errors| panic!("{}", rendered(Err(errors))));
        assert!(!policy.rules.is_empty() && warnings.is_empty(), "{}", rendered(Ok(warnings)));
    }
}

#[test]
fn what_explain_prints_is_promql() {
    let rules = [
        "metric = \"memory\"\nabove = \"80 %\"",
        "metric = \"cpu_seconds\"\nabove = \"1h\"",
        "metric = \"cpu\"\nabove = 1.5e-7\nbelow = 0.25",
        "metric = \"memory\"\nabove = 1e20\nmean_over = \"1m30s\"",
        "metric = \"step_time\"\nabove = \"500ms\"\nmean_over = \"2s500ms\"",
        "metric = \"steps_per_second\"\nbelow = 1",
        "metric = \"heartbeat_age\"\nabove = \"1m\"",
        "metric = 'odd \"name\" \\ {}'\nabove = -3",
        "metric = \"val_loss\"\nnan = true\nmean_over = \"1m\"",
        "no_progress_for = \"10m\"\nexcept_phases = [\"eval\"]\nstartup_limit = \"1m500ms\"",
        "all = [ { metric = \"val_loss\", above = 3 }, { startup_limit = \"1m\" } ]",
    ];
    let mut file = "groups:\n- name: g\n  rules:\n".to_string();
    for (i, keys) in rules.iter().enumerate() {
        let query = policy::explain(&told(&rule_of(keys))).replace('\n', "\n      ");
        file += &format!("  - alert: a{i}\n    expr: |\n      {query}\n");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yml");
    fs::write(&path, &file).unwrap();
    let Some(promtool) = crate::prometheus::tool("promtool") else { return };
    match std::process::Command::new(promtool).args(["check", "rules"]).arg(&path).output() {
        Ok(out) => {
            assert!(out.status.success(), "{}\n{file}", String::from_utf8_lossy(&out.stderr));
            let said = String::from_utf8_lossy(&out.stdout);
            assert!(said.contains(&format!("{} rules found", rules.len())), "{said}");
        }
        Err(error) => panic!("promtool: {error}"),
    }
}

/// A small generator with a fixed seed: the same texts at every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

/// Understands a text as both languages, renders what is found; a sound policy must explain itself.
fn survives(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for context in [Context::default(), Context { interval_ns: u64::MAX, proportional: true, remote: None }] {
        match policy::parse(&text, Path::new("p.toml"), &context) {
            Ok((policy, warnings)) => {
                rendered(Ok(warnings));
                for rule in &policy.rules {
                    assert!(!rule.expr.is_empty() && !rule.words.is_empty());
                    assert!(!words::reason(rule, 1.0).is_empty() && rule.ladder.length_ns() < u64::MAX);
                }
            }
            Err(errors) => {
                assert!(!errors.is_empty());
                rendered(Err(errors));
            }
        }
    }
    rendered(Config::parse(&text, Path::new("e.toml")).map(|(_, warnings)| warnings));
}

#[test]
fn no_text_makes_it_panic() {
    let mut corpus: Vec<Vec<u8>> = Vec::new();
    for folder in [data().join("wrong"), data(), Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")] {
        let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        corpus
            .extend(files.iter().filter(|f| f.extension().is_some_and(|e| e == "toml")).map(|f| fs::read(f).unwrap()));
    }
    let values = [
        "1e999",
        "-0.0",
        "nan",
        "-inf",
        "18446744073709551616",
        "\"\"",
        "\"99999999y\"",
        "\"1e308 TiB\"",
        "[[]]",
        "{}",
        "0x7fffffffffffffff",
        "\"\\u0000\"",
        "\"{{{{\"",
        "\"}}{{ value |\"",
        "\"ä %\"",
        "07:32:00",
        "true",
    ];
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for _ in 0..1500 {
        let pick = dice.below(corpus.len());
        let mut text = corpus[pick].clone();
        for _ in 0..=dice.below(4) {
            let at = dice.below(text.len());
            match dice.below(5) {
                0 => text[at] = dice.below(256) as u8,
                1 => drop(text.drain(at..(at + dice.below(20)).min(text.len()))),
                2 => text.splice(at..at, corpus[dice.below(corpus.len())].clone()).for_each(drop),
                3 => text.truncate(at + 1),
                _ => {
                    // Another value behind the next `=`.
                    if let Some(equals) = text[at..].iter().position(|b| *b == b'=') {
                        let from = at + equals + 1;
                        let until =
                            text[from..].iter().position(|b| b"\n,}]".contains(b)).map_or(text.len(), |n| from + n);
                        let value = values[dice.below(values.len())].bytes();
                        text.splice(from..until, value).for_each(drop);
                    }
                }
            }
            if text.is_empty() {
                text.push(b'#');
            }
        }
        survives(&text);
    }
    for _ in 0..300 {
        let noise: Vec<u8> = (0..dice.below(200)).map(|_| dice.below(256) as u8).collect();
        survives(&noise);
    }
}

#[test]
fn a_text_as_deep_as_a_file_may_be_is_refused_and_does_not_end_the_program() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let depth = 200_000;
        survives(format!("a = {}1{}", open.repeat(depth), close.repeat(depth)).as_bytes());
        survives(format!("a = {}", open.repeat(depth)).as_bytes());
    }
    survives(format!("a{} = 1", ".a".repeat(100_000)).as_bytes());
    survives(format!("[a{}]", ".a".repeat(100_000)).as_bytes());
}
