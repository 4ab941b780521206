//! Fetching a file: in pieces if need be, each going on where the last broke off, and checked at the end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use ureq::Body;
use ureq::http::Response;

use super::client::{Client, refusal};
use crate::progress::{Progress, Unit};

/// How often a broken download goes on by itself, and the pause before.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// Bytes read at once.
const CHUNK: usize = 1 << 16;

/// What is to be fetched.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// From where.
    pub url: &'a str,
    /// To where.
    pub path: &'a Path,
    /// Of the file, unpacked.
    pub md5: Option<&'a str>,
}

/// What is known of a file that is there in part; kept beside it, so that another run goes on.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Part {
    url: String,
    /// Whether it came packed: then the part is packed too.
    packed: bool,
    /// ETag or date by which the server knows the version.
    version: Option<String>,
}

/// How one attempt ended.
enum Attempt {
    Whole,
    /// It broke off; what came is kept.
    Broken(String),
    /// What is there is of no use; from the beginning.
    Again,
}

/// Fetches a file. What is there of it already is not fetched again.
pub fn fetch(client: &Client, wanted: Wanted<'_>) -> Result<(), String> {
    let part = beside(wanted.path, "part");
    let mut last = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            thread::sleep(PAUSE * attempt);
        }
        let had_some = fs::metadata(&part).is_ok_and(|of| of.len() > 0);
        match fetch_once(client, wanted, &part)? {
            Attempt::Whole => match unpack(wanted, &part) {
                Ok(()) => return Ok(()),
                // What was put together from pieces may be of two versions; what came at once is simply wrong.
                Err(error) if !had_some => return Err(error),
                Err(error) => last = error,
            },
            Attempt::Broken(error) => last = error,
            Attempt::Again => last = "the file has changed on the server".into(),
        }
    }
    Err(format!("{last}. Run it again: it goes on where it broke off"))
}

/// `FILE.part`, `FILE.part.json`.
fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(more);
    PathBuf::from(name)
}

fn fetch_once(client: &Client, wanted: Wanted<'_>, part: &Path) -> Result<Attempt, String> {
    let known = known_part(wanted, part);
    let have = if known.is_some() { fs::metadata(part).map_or(0, |of| of.len()) } else { 0 };
    let mut headers = vec![("Accept-Encoding", "gzip".to_string())];
    if have > 0 {
        headers.push(("Range", format!("bytes={have}-")));
        headers.extend(known.as_ref().and_then(|known| known.version.clone()).map(|version| ("If-Range", version)));
    }
    let mut answer = match client.get(wanted.url, &headers) {
        Ok(answer) => answer,
        Err(error) => return Ok(Attempt::Broken(error)),
    };
    let packed = header(&answer, "content-encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("gzip"));
    let have = match answer.status().as_u16() {
        200 => 0,
        206 if goes_on_at(&answer) == Some(have) && known.as_ref().is_some_and(|known| known.packed == packed) => have,
        // All of it is there, or another version is; the check at the end tells.
        416 if header(&answer, "content-range").is_some_and(|range| range.ends_with(&format!("*/{have}"))) => {
            return Ok(Attempt::Whole);
        }
        206 | 416 => {
            fs::remove_file(part).map_err(|e| format!("cannot remove {}: {e}", part.display()))?;
            return Ok(Attempt::Again);
        }
        status @ 500.. => {
            let text = answer.body_mut().read_to_string().unwrap_or_default();
            return Ok(Attempt::Broken(refusal(wanted.url, status, &text)));
        }
        status => {
            let text = answer.body_mut().read_to_string().unwrap_or_default();
            return Err(refusal(wanted.url, status, &text));
        }
    };
    let version = header(&answer, "etag").filter(|etag| !etag.starts_with("W/"));
    let version = version.or_else(|| header(&answer, "last-modified"));
    let of = Part { url: wanted.url.into(), packed, version };
    store(answer, part, &of, have, wanted).map_err(|e| format!("cannot write {}: {e}", part.display()))
}

fn header(answer: &Response<Body>, name: &str) -> Option<String> {
    answer.headers().get(name)?.to_str().ok().map(String::from)
}

/// The first byte of a part: `bytes 100-199/200`.
fn goes_on_at(answer: &Response<Body>) -> Option<u64> {
    header(answer, "content-range")?.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// What is known of the part on disk, if it can be gone on with: the server can tell versions apart, or the sum can.
fn known_part(wanted: Wanted<'_>, part: &Path) -> Option<Part> {
    let known: Part = serde_json::from_slice(&fs::read(beside(part, "json")).ok()?).ok()?;
    (known.url == wanted.url && (known.version.is_some() || wanted.md5.is_some())).then_some(known)
}

/// Writes what comes behind what is there.
fn store(answer: Response<Body>, part: &Path, of: &Part, have: u64, wanted: Wanted<'_>) -> io::Result<Attempt> {
    fs::write(beside(part, "json"), serde_json::to_vec(of)?)?;
    let mut file = OpenOptions::new().create(true).write(true).truncate(have == 0).open(part)?;
    file.set_len(have)?;
    io::Seek::seek(&mut file, io::SeekFrom::Start(have))?;
    let total = answer.body().content_length().map(|rest| have + rest);
    let name = wanted.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut progress = Progress::new(format!("fetching {name}"), Unit::Bytes, have, total);
    let mut body = answer.into_body().into_with_config().limit(u64::MAX).reader();
    let mut chunk = vec![0; CHUNK];
    let mut done = have;
    let broken = loop {
        match body.read(&mut chunk) {
            Ok(0) => break None,
            Ok(count) => {
                file.write_all(&chunk[..count])?;
                done += count as u64;
                progress.show(done, "");
            }
            Err(error) => break Some(format!("{} broke off after {done} bytes: {error}", wanted.url)),
        }
    };
    progress.clear();
    file.sync_data()?;
    match (broken, total) {
        (Some(error), _) => Ok(Attempt::Broken(error)),
        (None, Some(total)) if total != done => {
            Ok(Attempt::Broken(format!("{} broke off after {done} of {total} bytes", wanted.url)))
        }
        (None, _) => Ok(Attempt::Whole),
    }
}

/// Unpacks and checks what came; it gets its name only if it is right, and is gone if it is not.
fn unpack(wanted: Wanted<'_>, part: &Path) -> Result<(), String> {
    let packed = known_part(Wanted { md5: Some(""), ..wanted }, part).is_some_and(|known| known.packed);
    let new = beside(wanted.path, "new");
    let sum = copy(part, &new, packed);
    let _ = fs::remove_file(part);
    let _ = fs::remove_file(beside(part, "json"));
    let sum = sum.map_err(|e| format!("cannot unpack what came from {}: {e}", wanted.url))?;
    if let Some(md5) = wanted.md5.filter(|md5| !md5.eq_ignore_ascii_case(&sum)) {
        let _ = fs::remove_file(&new);
        return Err(format!(
            "what came from {} has the md5 {sum}, and OpenML says {md5}; it is thrown away",
            wanted.url
        ));
    }
    fs::rename(&new, wanted.path).map_err(|e| format!("cannot write {}: {e}", wanted.path.display()))
}

/// Copies a file, unpacked; gives the md5 of what was written.
fn copy(from: &Path, to: &Path, packed: bool) -> io::Result<String> {
    let file = BufReader::with_capacity(CHUNK, File::open(from)?);
    let mut source: Box<dyn Read> = if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut target = File::create(to)?;
    let mut sum = Md5::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match source.read(&mut chunk)? {
            0 => break,
            count => {
                sum.update(&chunk[..count]);
                target.write_all(&chunk[..count])?;
            }
        }
    }
    target.sync_data()?;
    Ok(hex(&sum.finalize()))
}

/// The md5 of a file.
pub fn md5_of(path: &Path) -> io::Result<String> {
    let mut source = File::open(path)?;
    let mut sum = Md5::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match source.read(&mut chunk)? {
            0 => return Ok(hex(&sum.finalize())),
            count => sum.update(&chunk[..count]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
