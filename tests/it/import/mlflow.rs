//! MLflow: a store that its own client wrote, as a file and behind its own server; and a server that we play ourselves.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use earlystop::journal::{Format, Times};
use earlystop::model::DoneStatus;

use super::{Desk, Tale, python};
use crate::support::wait_for;

/// Importing MLflow alone takes seconds on an idle machine.
const LONG: Duration = Duration::from_secs(240);
const START: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;

const WANT: [&str; 4] = ["--metric", "val/loss", "--mode", "min"];

fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    WANT.into_iter().chain(more.iter().copied()).collect()
}

/// A tracking server over a file, on a port that was free a moment ago.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(python: &Path, desk: &Desk, file: &str) -> Server {
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number").port();
        let mut command = Command::new(python);
        command.args(["-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args([
            "--backend-store-uri",
            &format!("sqlite:///{file}"),
            "--default-artifact-root",
            "file:///nowhere",
        ]);
        command.current_dir(desk.path("")).env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false").process_group(0);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("python runs");
        let address = format!("127.0.0.1:{port}");
        let mut server = Server { child, address: address.clone() };
        wait_for("MLflow's server answers", LONG, || {
            assert!(server.child.try_wait().expect("our child").is_none(), "MLflow's server left");
            let mut stream = TcpStream::connect(&address).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
            stream.write_all(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).ok()?;
            line.contains(" 200 ").then_some(())
        });
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its workers are of its group, which is ours.
        let group = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

fn is_whole(tale: &Tale) {
    assert_eq!(tale.imported.times, Times::Recorded);
    let (completed, failed, stopped) = (DoneStatus::Completed, DoneStatus::Failed, DoneStatus::Stopped);
    let ends: Vec<_> = tale.order.iter().map(|name| tale.trial(name).done).collect();
    assert_eq!(
        ends,
        [Some(completed), Some(completed), Some(failed), Some(stopped), None, Some(completed)],
        "{:?}",
        tale.order
    );
    let good = tale.trial("good");
    let spec = &good.spec;
    assert_eq!(spec.experiment.as_ref().unwrap().as_str(), "red_wine");
    let params: Vec<_> = spec.params.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(params, [("learning_rate", "0.1"), ("opt", "sgd")], "what is too long is left out");
    assert_eq!(
        spec.labels.iter().collect::<Vec<_>>(),
        [(&"algorithm".to_string(), &"svm".to_string()), (&"parent_run".to_string(), &"sweep".to_string())]
    );
    assert_eq!(spec.total_steps, Some(5), "the longest curve");
    assert_eq!(
        good.curve("val/loss"),
        [(1, 1.0), (2, 0.5), (3, 1.0 / 3.0), (4, 0.25), (5, 0.15)],
        "the last of two counts"
    );
    assert_eq!(good.curve("acc"), [(1, 0.2), (2, 0.4), (3, 0.6), (4, 0.8), (5, 1.0)]);
    assert_eq!(good.curve("batch_loss")[..2], [(100, 0.5), (200, 0.5)], "in steps of its own");
    assert_eq!(good.reported(), [1, 2, 3, 4, 5], "which are not the trial's");
    assert!(good.curve("system/cpu").is_empty());
    assert_eq!(good.began.wall_ms, START);
    assert_eq!(good.times()[..3], [START + MINUTE, START + MINUTE + 30_000, START + 2 * MINUTE]);
    assert_eq!(good.closed.unwrap().wall_ms, START + 10 * MINUTE);
    let bad = tale.trial("bad").curve("val/loss");
    assert!(bad[0].1.is_nan() && bad[1..] == [(2, f64::INFINITY), (3, f64::NEG_INFINITY), (4, 1e308)], "{bad:?}");
    assert_eq!(tale.trial("stepless").curve("val/loss")[..2], [(1, 0.9), (2, 0.8)], "it never said a step");
    let again = tale.order.iter().filter(|name| name.starts_with("good-")).count();
    assert_eq!((again, tale.order.len()), (1, 6), "each has a name of its own: {:?}", tale.order);
    let hung = tale.trial("hung");
    assert_eq!(hung.closed.unwrap().wall_ms, *hung.times().last().unwrap(), "nobody knows more of it");
}

#[test]
fn a_real_store_comes_in_from_its_file_and_from_its_server() {
    let Some(python) = python() else { return };
    let desk = Desk::new();
    let file = desk.path("store.db").display().to_string();
    let script = crate::support::repository().join("tests/it/import/write_mlflow.py");
    let written =
        Command::new(&python).arg(script).arg(&file).current_dir(desk.path("")).output().expect("python runs");
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));

    let said = desk.import(&args(&["store.db", "--experiment", "red wine"]));
    let of_file = desk.tale();
    assert_eq!((of_file.imported.format, of_file.imported.source.as_str()), (Format::MlflowFile, "store.db"));
    is_whole(&of_file);
    for line in ["6 trials of red_wine", "complete   3", "1 stopped, 1 failed, 1 ended before", "no val/loss: 1"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    std::fs::remove_file(desk.path("j.sqlite")).unwrap();
    desk.import(&args(&["store.db"]));
    let all = Tale::named_by_experiment(&desk.path("j.sqlite"));
    assert_eq!(all.trials.len(), 7, "both experiments, and neither what was deleted");
    assert_eq!(all.trial("other/good").spec.total_steps, Some(2));
    std::fs::remove_file(desk.path("j.sqlite")).unwrap();
    let said = desk.refused(&args(&["store.db", "--experiment", "white"]));
    assert!(said.contains("no experiment \"white\"") && said.contains("red wine, other"), "{said}");
    let said = desk.refused(&["--metric", "val_loss", "--mode", "min", "store.db"]);
    assert!(said.contains("did you mean \"val/loss\"?") && !said.contains("system/"), "{said}");

    let server = Server::start(&python, &desk, &file);
    let address = format!("http://{}/#/experiments/1", server.address);
    desk.import(&args(&[&address, "--experiment", "1"]));
    let of_server = desk.tale();
    assert_eq!(of_server.imported.format, Format::MlflowServer);
    assert_eq!(of_server.imported.source, format!("http://{}", server.address));
    is_whole(&of_server);
    for (name, told) in &of_server.trials {
        let other = of_file.trial(name);
        assert_eq!((told.run, &told.spec, told.closed), (other.run, &other.spec, other.closed), "{name}");
        assert_eq!(format!("{:?}", told.steps), format!("{:?}", other.steps), "{name}");
    }
}

/// A server that we play: it answers each question by path and body, and keeps what it was asked.
fn play(answer: impl Fn(&str, &str) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its number").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            while let Some((head, body)) = question(&mut reader) {
                let (status, text) = answer(&head, &body);
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", text.len());
                if reader.get_mut().write_all(format!("{head}{text}").as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    address
}

/// The head and the body of a question; nothing when the other side is done.
fn question(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}

#[test]
fn lists_are_read_page_after_page() {
    let address = play(|head, body| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let second = body.contains("page_token") || path.contains("page_token=more%2F");
        let text = match path {
            "/team/api/2.0/mlflow/experiments/search" if !second => {
                r#"{"experiments":[{"experiment_id":"7","name":"x"}],"next_page_token":"more"}"#
            }
            "/team/api/2.0/mlflow/experiments/search" => r#"{"experiments":[{"experiment_id":"8","name":"y"}]}"#,
            "/team/api/2.0/mlflow/runs/search" if !second => {
                r#"{"runs":[{"info":{"run_id":"a","experiment_id":"8","status":"FINISHED","start_time":"1000"},
                    "data":{"metrics":[{"key":"acc"}]}}],"next_page_token":"more"}"#
            }
            "/team/api/2.0/mlflow/runs/search" => {
                r#"{"runs":[{"info":{"run_uuid":"b","run_name":"bee","experiment_id":"7","status":"RUNNING","start_time":2000},
                    "data":{"metrics":[{"key":"acc"}],"params":[{"key":"lr","value":"1"}]}}]}"#
            }
            path if path.contains("metric_key=acc") && !second => {
                r#"{"metrics":[{"key":"acc","value":0.5,"step":"1","timestamp":"3000"}],"next_page_token":"more/"}"#
            }
            path if path.contains("metric_key=acc") => {
                r#"{"metrics":[{"key":"acc","value":"NaN","step":2,"timestamp":4000}]}"#
            }
            _ => return (404, r#"{"error_code":"ENDPOINT_NOT_FOUND","message":"no such page"}"#.into()),
        };
        (200, text.into())
    });
    let desk = Desk::new();
    desk.import(&["--metric", "acc", "--mode", "max", &format!("http://{address}/team")]);
    let tale = desk.tale();
    assert_eq!(tale.order, ["a", "bee"]);
    let (a, bee) = (tale.trial("a"), tale.trial("bee"));
    assert_eq!((a.spec.experiment.as_ref().unwrap().as_str(), a.done), ("y", Some(DoneStatus::Completed)));
    assert_eq!((bee.spec.experiment.as_ref().unwrap().as_str(), bee.done), ("x", None), "it runs");
    assert_eq!(bee.spec.params["lr"], "1");
    assert_eq!((a.curve("acc")[0], a.curve("acc")[1].1.is_nan(), a.times()), ((1, 0.5), true, vec![3000, 4000]));
}

#[test]
fn a_server_that_refuses_is_told() {
    let address = play(|head, _| {
        // ann:p@ss
        match head.to_lowercase().contains("authorization: basic yw5uonbac3m=") {
            true => (500, "<html>oops</html>".into()),
            false => (401, r#"{"message":"who are you?"}"#.into()),
        }
    });
    let desk = Desk::new();
    let want = |address: &str| desk.refused(&["--metric", "acc", "--mode", "max", address]);
    let said = want(&format!("http://{address}"));
    assert!(
        said.contains("it answers 401") && said.contains("who are you?") && said.contains("MLFLOW_TRACKING_TOKEN"),
        "{said}"
    );
    let said = want(&format!("http://ann:p%40ss@{address}"));
    assert!(said.contains("it answers 500") && !said.contains("p%40ss") && !said.contains("p@ss"), "{said}");
    let silent = play(|_, _| (200, "<html>".into()));
    assert!(want(&format!("http://{silent}")).contains("the answer is no JSON"));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(want(&format!("http://{nobody}")).contains("cannot connect"));
    assert!(want("http://").contains("no URL"));
}

#[test]
fn other_sqlite_files_are_told_apart() {
    let desk = Desk::new();
    desk.put("runs.csv", "acc_1,acc_2\n1,2\n");
    desk.import(&["--metric", "acc", "--mode", "max", "runs.csv"]);
    std::fs::rename(desk.path("j.sqlite"), desk.path("mine.sqlite")).unwrap();
    let said = desk.refused(&["--metric", "acc", "--mode", "max", "mine.sqlite"]);
    assert!(said.contains("a journal of earlystop already") && said.contains("earlystop replay"), "{said}");
    let db = rusqlite::Connection::open(desk.path("other.db")).unwrap();
    db.execute_batch("CREATE TABLE runs (x)").unwrap();
    drop(db);
    let said = desk.refused(&["--metric", "acc", "--mode", "max", "other.db"]);
    assert!(said.contains("other.db: an SQLite file, but not MLflow's"), "{said}");
    std::fs::create_dir_all(desk.path("mlruns/0")).unwrap();
    desk.put("mlruns/0/meta.yaml", "name: x\n");
    let said = desk.refused(&["--metric", "acc", "--mode", "max", "mlruns"]);
    assert!(said.contains("a folder of MLflow's") && said.contains("mlflow server"), "{said}");
}
