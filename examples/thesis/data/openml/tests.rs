//! The loader over HTTP, against a server here that serves copies, breaks off, and lies.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest, Md5};
use serde_json::json;

use super::*;
use crate::model::Task;

/// What is at a path.
#[derive(Clone)]
struct Page {
    status: u16,
    body: Vec<u8>,
    /// Whether the body is packed; it is unpacked for clients that do not take that.
    packed: bool,
    etag: Option<&'static str>,
}

/// A server that lives as long as the test process.
struct Server {
    url: String,
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    /// How many answers with a file are cut off half way from now on.
    cuts: Arc<AtomicUsize>,
    /// What was asked for: path and range.
    asked: Arc<Mutex<Vec<(String, Option<String>)>>>,
}

impl Server {
    fn start(pages: BTreeMap<String, Page>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let server = Server { url, pages: Arc::new(Mutex::new(pages)), cuts: Arc::default(), asked: Arc::default() };
        let (pages, cuts, asked) = (server.pages.clone(), server.cuts.clone(), server.asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (pages, cuts, asked) = (pages.clone(), cuts.clone(), asked.clone());
                thread::spawn(move || serve(stream, &pages, &cuts, &asked));
            }
        });
        server
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Page)) {
        change(self.pages.lock().unwrap_or_else(PoisonError::into_inner).get_mut(path).expect("there is such a page"));
    }

    /// What was asked for since the last time.
    fn asked(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One request, then the connection ends.
fn serve(
    stream: TcpStream,
    pages: &Mutex<BTreeMap<String, Page>>,
    cuts: &AtomicUsize,
    asked: &Mutex<Vec<(String, Option<String>)>>,
) {
    let mut lines = BufReader::new(stream.try_clone().expect("a handle")).lines();
    let request = lines.next().and_then(Result::ok).unwrap_or_default();
    let path = request.split(' ').nth(1).unwrap_or_default().to_string();
    let headers: BTreeMap<String, String> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_string())))
        .collect();
    asked.lock().unwrap_or_else(PoisonError::into_inner).push((path.clone(), headers.get("range").cloned()));
    let missing = Page { status: 404, body: b"<html>no".to_vec(), packed: false, etag: None };
    let page = pages.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned().unwrap_or(missing);
    answer(stream, page, &headers, cuts);
}

fn answer(mut stream: TcpStream, page: Page, headers: &BTreeMap<String, String>, cuts: &AtomicUsize) {
    let takes_packed = headers.get("accept-encoding").is_some_and(|encodings| encodings.contains("gzip"));
    let mut body = page.body;
    if page.packed && !takes_packed {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).expect("packed");
        body = plain;
    }
    let is_same = headers.get("if-range").is_none_or(|version| page.etag == Some(version.as_str()));
    let from = headers
        .get("range")
        .filter(|_| is_same && page.status == 200)
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let (status, range) = match from {
        Some(from) if from >= body.len() => (416, format!("Content-Range: bytes */{}\r\n", body.len())),
        Some(from) => (206, format!("Content-Range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len())),
        None => (page.status, String::new()),
    };
    let rest = &body[from.unwrap_or(0).min(body.len())..];
    let encoding = if page.packed && takes_packed { "Content-Encoding: gzip\r\n" } else { "" };
    let etag = page.etag.map(|etag| format!("ETag: {etag}\r\n")).unwrap_or_default();
    let is_cut =
        body.len() > 4000 && cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
    let sent = if is_cut { &rest[..rest.len() / 2] } else { rest };
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n{range}{encoding}{etag}\r\n",
        rest.len()
    );
    // A client that has gone has its reasons.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(sent));
}

const FILE: &str = "/data/v1/download/7/small.arff";

/// 3000 rows of two numbers and a class.
fn arff() -> String {
    let mut text =
        "@relation small\n@attribute row integer\n@attribute a real\n@attribute b real\n@attribute c {no,yes}\n\
                    @data\n"
            .to_string();
    for row in 0..3000_u32 {
        let noise = row.wrapping_mul(2_654_435_761) >> 8;
        text.push_str(&format!("{row},{}.25,{noise},{}\n", row % 17, if noise % 3 == 0 { "yes" } else { "no" }));
    }
    text
}

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Set 9000, as OpenML serves sets.
fn small(etag: Option<&'static str>) -> Server {
    let text = arff();
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes()).expect("memory");
    let description = json!({"data_set_description": {"id": "9000", "name": "small", "format": "ARFF", "status": "active",
        "url": format!("https://api.openml.org{FILE}"), "md5_checksum": md5(text.as_bytes()),
        "default_target_attribute": "c", "tag": "one"}});
    let feature = |name: &str, kind: &str, is_row: bool| {
        json!({"index": "0", "name": name, "data_type": kind, "is_target": "false", "is_ignore": "false",
               "is_row_identifier": is_row.to_string()})
    };
    let features = json!({"data_features": {"feature": [feature("row", "numeric", true), feature("a", "numeric", false),
        feature("b", "numeric", false), feature("c", "nominal", false)]}});
    let unknown = json!({"error": {"code": "111", "message": "Unknown dataset"}});
    let page = |status, body: Vec<u8>, packed| Page { status, body, packed, etag: None };
    Server::start(BTreeMap::from([
        ("/api/v1/json/data/9000".into(), page(200, description.to_string().into_bytes(), false)),
        ("/api/v1/json/data/features/9000".into(), page(200, features.to_string().into_bytes(), false)),
        ("/api/v1/json/data/9001".into(), page(412, unknown.to_string().into_bytes(), false)),
        (FILE.into(), Page { status: 200, body: packed.finish().expect("memory"), packed: true, etag }),
    ]))
}

fn openml(server: &str, cache: &Path) -> Openml {
    Openml { openml: server.into(), cache: Some(cache.into()), format: Format::Arff, target: None, drop: Vec::new() }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn a_set_is_fetched_once() {
    let (server, cache) = (small(None), folder());
    let openml = openml(&server.url, cache.path());
    let table = openml.load(9000).expect("it is served");
    assert_eq!((table.rows(), table.features(), table.task), (3000, 2, Task::Classes(2)));
    assert_eq!(table.data.feature_names(), ["a", "b"]);
    assert!(!table.synthetic);
    assert_eq!(server.asked().len(), 3);
    assert_eq!(openml.load(9000).expect("it is in the cache").data.records, table.data.records);
    assert_eq!(server.asked(), [], "what is in the cache is not asked for");
    // Somebody spoils the file: it is fetched again.
    let host = server.url.trim_start_matches("http://");
    let path = Shelf::new(cache.path(), host, 9000).arff();
    fs::write(&path, "@attribute a real\n@data\n1\n").expect("the folder is ours");
    assert_eq!(openml.load(9000).expect("it is served").rows(), 3000);
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    for etag in [None, Some("\"v1\"")] {
        let (server, cache) = (small(etag), folder());
        server.cuts.store(2, Ordering::SeqCst);
        let table = openml(&server.url, cache.path()).load(9000).expect("the third answer is whole");
        assert_eq!(table.rows(), 3000);
        let ranges: Vec<Option<String>> =
            server.asked().into_iter().filter(|(path, _)| path == FILE).map(|(_, range)| range).collect();
        let from = |range: &Option<String>| -> Option<u64> {
            range.as_ref()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
        };
        let froms: Vec<Option<u64>> = ranges.iter().map(from).collect();
        assert!(froms.len() == 3 && froms[0].is_none() && froms[1] > Some(0) && froms[2] > froms[1], "{ranges:?}");
    }
}

#[test]
fn another_run_goes_on_too() {
    let (server, cache) = (small(Some("\"v1\"")), folder());
    server.cuts.store(usize::MAX, Ordering::SeqCst);
    let error = openml(&server.url, cache.path()).load(9000).expect_err("it always breaks off").to_string();
    assert!(error.contains("broke off after") && error.contains("Run it again"), "{error}");
    server.asked();
    server.cuts.store(0, Ordering::SeqCst);
    openml(&server.url, cache.path()).load(9000).expect("now it is served");
    let asked = server.asked();
    assert!(asked.len() == 1 && asked[0].1.is_some(), "only the rest of the file was left to ask for: {asked:?}");
}

#[test]
fn a_file_that_changes_in_between_is_fetched_anew() {
    for etag in [None, Some("\"v1\"")] {
        let (server, cache) = (small(etag), folder());
        server.cuts.store(usize::MAX, Ordering::SeqCst);
        openml(&server.url, cache.path()).load(9000).expect_err("it always breaks off");
        server.cuts.store(0, Ordering::SeqCst);
        // The same rows, packed otherwise: the old part and the new rest do not fit together.
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(arff().as_bytes()).expect("memory");
        let packed = packed.finish().expect("memory");
        server.change(FILE, |page| (page.body, page.etag) = (packed, etag.map(|_| "\"v2\"")));
        assert_eq!(openml(&server.url, cache.path()).load(9000).expect("it comes anew").rows(), 3000);
    }
}

#[test]
fn a_wrong_file_is_thrown_away() {
    let (server, cache) = (small(None), folder());
    server.change("/api/v1/json/data/9000", |page| {
        let text = String::from_utf8_lossy(&page.body).replace(&md5(arff().as_bytes()), &md5(b"something else"));
        page.body = text.into_bytes();
    });
    let error = openml(&server.url, cache.path()).load(9000).expect_err("the md5 differs").to_string();
    assert!(error.contains("has the md5") && error.contains("thrown away"), "{error}");
    let host = server.url.trim_start_matches("http://");
    assert!(!Shelf::new(cache.path(), host, 9000).arff().exists());
}

#[test]
fn errors_tell_what_to_do() {
    let (server, cache) = (small(None), folder());
    let error = |openml: &Openml, id| openml.load(id).expect_err("no such set").to_string();
    let of = openml(&server.url, cache.path());
    assert!(error(&of, 9001).contains("OpenML answers: Unknown dataset (code 111"));
    assert!(error(&of, 9002).contains("there is nothing at"));
    let parquet = Openml { format: Format::Parquet, ..of.clone() };
    assert_eq!(error(&parquet, 9000), "small is not served as Parquet; try --format arff");
    let target = Openml { target: Some("d".into()), ..of.clone() };
    assert!(error(&target, 9000).contains("small (9000): there is no column `d`"));
    // Nobody listens at a port that was just given back.
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    assert!(error(&openml(&format!("http://{nobody}"), cache.path()), 1).contains("cannot reach http://127.0.0.1"));
    let blocked = cache.path().join("file");
    fs::write(&blocked, "").expect("the folder is ours");
    assert!(error(&openml(&server.url, &blocked), 9000).contains("--cache names another"));
}

/// The copies that the README of the shared data tells of, over the routes it gives; where they are not, nothing is
/// tested.
#[test]
fn the_copies_load_in_both_formats() {
    let folder_of_copies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let Ok(routes) = fs::read_to_string(folder_of_copies.join("routes.json")) else {
        eprintln!("there are no copies in {}", folder_of_copies.display());
        return;
    };
    let routes: serde_json::Value = serde_json::from_str(&routes).expect("JSON");
    let page = |route: &serde_json::Value| {
        let body = fs::read(folder_of_copies.join(route["file"].as_str()?)).ok()?;
        let status = u16::try_from(route["status"].as_u64()?).ok()?;
        let page = Page { status, body, packed: route["content_encoding"] == "gzip", etag: None };
        Some((route["path"].as_str()?.to_string(), page))
    };
    let server = Server::start(routes["routes"].as_array().expect("routes").iter().filter_map(page).collect());
    let cache = folder();
    let arff = openml(&server.url, cache.path());
    let parquet = Openml { format: Format::Parquet, ..arff.clone() };
    for (id, rows, features, task, synthetic) in [
        (37, 768, 8, Task::Classes(2), false),
        (44972, 1599, 11, Task::Regression, false),
        (44975, 72_000, 32, Task::Regression, true),
    ] {
        let [one, other] = [&arff, &parquet].map(|openml| openml.load(id).expect("it is served"));
        assert_eq!((one.rows(), one.features(), one.task, one.synthetic), (rows, features, task, synthetic));
        assert_eq!((&one.data.records, &one.data.targets), (&other.data.records, &other.data.targets));
        assert_eq!((one.task, one.synthetic, one.name), (other.task, other.synthetic, other.name));
    }
    let error = arff.load(99_999_999).expect_err("no such set").to_string();
    assert!(error.contains("Unknown dataset"), "{error}");
}
