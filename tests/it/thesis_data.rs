//! The example's search on a set that it fetches: from a server here that answers like OpenML.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::thesis::example;

/// OpenML's number of the diabetes set.
const ID: u32 = 37;

/// Its columns, but the class.
const FEATURES: [&str; 8] = ["preg", "plas", "pres", "skin", "insu", "mass", "pedi", "age"];

/// A made-up file of the shape of the diabetes set: it says that it is.
fn arff() -> String {
    let mut text = "% SYNTHETIC: no row of it is about anybody\n@relation diabetes\n".to_string();
    FEATURES.iter().for_each(|name| text += &format!("@attribute '{name}' real\n"));
    text += "@attribute 'class' { tested_negative, tested_positive}\n@data\n";
    for row in 0..768_u32 {
        let value = |place: u32| row.wrapping_mul(2_654_435_761).wrapping_add(place * 40_503) >> 20;
        (0..8).for_each(|place| write!(text, "{},", value(place)).expect("memory"));
        text += if value(1) > 2000 { "tested_positive\n" } else { "tested_negative\n" };
    }
    text
}

/// A server that lives as long as the test process, and how many questions it was asked.
fn openml() -> (String, Arc<AtomicUsize>) {
    let description = json!({"data_set_description": {"id": ID.to_string(), "name": "diabetes", "format": "ARFF",
        "status": "active", "url": "https://api.openml.org/data/v1/download/37/diabetes.arff",
        "default_target_attribute": "class"}});
    let feature = |name: &str, kind: &str| json!({"name": name, "data_type": kind, "is_ignore": "false", "is_row_identifier": "false"});
    let mut features: Vec<Value> = FEATURES.iter().map(|name| feature(name, "numeric")).collect();
    features.push(feature("class", "nominal"));
    let pages: BTreeMap<String, String> = [
        (format!("/api/v1/json/data/{ID}"), description.to_string()),
        (format!("/api/v1/json/data/features/{ID}"), json!({"data_features": {"feature": features}}).to_string()),
        ("/data/v1/download/37/diabetes.arff".to_string(), arff()),
    ]
    .into();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            answer(stream, &pages);
        }
    });
    (url, asked)
}

/// One question, then the connection ends.
fn answer(mut stream: TcpStream, pages: &BTreeMap<String, String>) {
    let mut lines = BufReader::new(stream.try_clone().expect("a handle")).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let page = request.split(' ').nth(1).and_then(|path| pages.get(path));
    // All headers are read before the answer: else the client may see a reset.
    lines.find(String::is_empty);
    let (status, body) = page.map_or((404, ""), |body| (200, body.as_str()));
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // A client that has gone has its reasons.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

#[test]
fn a_set_of_openml_is_searched_by_its_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let (url, asked) = openml();
    fs::create_dir(folder.path().join("run")).expect("the folder is ours");
    let search = || {
        let mut command = Command::new(example());
        command.args(["search", "red_wine", "--dataset", &ID.to_string(), "--openml", &url]);
        command.args(["--configurations", "1", "--steps", "3", "--eval-rows", "5", "--widen", "0", "--jobs", "2"]);
        command.arg("--cache").arg(folder.path().join("cache")).arg("--out").arg(folder.path().join("out"));
        let done = command.env("XDG_RUNTIME_DIR", folder.path().join("run")).output().expect("the example starts");
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{said}");
        said
    };
    let said = search();
    assert!(said.contains("diabetes: 1 of 320 configurations"), "{said}");
    assert!(said.contains("diabetes (SYNTHETIC data), ") && said.contains(": accuracy "), "{said}");
    assert_eq!(asked.load(Ordering::SeqCst), 3, "what it is, its columns, the file");

    let text = fs::read_to_string(folder.path().join("out/trials.jsonl")).expect("it was written");
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let of = |set: &str| records.iter().filter(|record| record["set"] == set).count();
    assert_eq!((of("red_wine"), of("diabetes"), records.len()), (11, 11, 22), "{text}");
    for record in &records {
        assert_eq!((record["state"].as_str(), record["steps"].as_u64()), (Some("completed"), Some(3)), "{record}");
        let is_fold = !record["trial"].as_str().expect("a name").ends_with("-refit");
        if record["set"] == "diabetes" && is_fold {
            // Five rows an evaluation: the share that is right is so many fifths.
            let fifths = record["score"].as_f64().expect("a score") * 5.0;
            assert!((fifths - fifths.round()).abs() < 1e-9, "{record}");
        }
    }
    search();
    assert_eq!(asked.load(Ordering::SeqCst), 3, "the second time it comes from the cache");
}
