//! Files and folders of rules, put together.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::File;
use super::ladders::{self, Ladders};
use super::syntax::{self, PolicyFile, RuleFile};
use super::{Context, Loaded, rules};
use crate::model::{Guard, Policy, RemoteServer, Severity};

/// Largest file that is read. A policy of a thousand rules has a fifth of it; a device or a log never ends.
const LARGEST: u64 = 1 << 20;

/// Reads one file; one that cannot be read is a finding of its own.
pub(super) fn read_file(path: &Path) -> File {
    let refuse = |code, message: String, hint: &str| {
        let file = File::new(path, "");
        file.error(code, 0..0, message, hint);
        file
    };
    let mut bytes = Vec::new();
    let read = fs::metadata(path).and_then(|meta| match meta.is_file() {
        true => fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes),
        false => Err(std::io::Error::other("not a file")),
    });
    if let Err(why) = read {
        return refuse(
            super::UNREADABLE,
            format!("cannot be read: {why}"),
            "is the path right, and may this user read it?",
        );
    }
    if bytes.len() as u64 > LARGEST {
        return refuse(super::UNREADABLE, "is larger than 1 MiB".to_string(), "is it a policy?");
    }
    match String::from_utf8(bytes) {
        Ok(text) => File::new(path, &text),
        Err(why) => {
            let at = why.utf8_error().valid_up_to();
            let file = File::new(path, &String::from_utf8_lossy(why.as_bytes()));
            file.error("not-utf8", at..at, "this is not UTF-8", "save the file as UTF-8");
            file
        }
    }
}

/// All files that the paths name, in the order of file names, each once.
fn files(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<File>) {
    let (mut found, mut troubles) = (Vec::new(), Vec::new());
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        match folder(path) {
            Ok(inside) if inside.is_empty() => {
                let file = File::new(path, "");
                file.warning("no-rules", 0..0, "no *.toml in this folder: no rules", "is it the right folder?");
                troubles.push(file);
            }
            Ok(inside) => found.extend(inside),
            Err(why) => {
                let file = File::new(path, "");
                file.error(super::UNREADABLE, 0..0, format!("cannot be read: {why}"), "may this user read it?");
                troubles.push(file);
            }
        }
    }
    found.sort_by(|a, b| (a.file_name(), a).cmp(&(b.file_name(), b)));
    let mut seen = std::collections::HashSet::new();
    found.retain(|path| seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone())));
    (found, troubles)
}

/// The `*.toml` of a folder; as in a shell, names with a dot in front are left out.
fn folder(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        if name.ends_with(".toml") && !name.starts_with('.') && !path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}

/// Reads and understands what the paths name.
pub(super) fn load(paths: &[PathBuf], context: &Context) -> Loaded<Policy> {
    let (paths, troubles) = files(paths);
    let files = paths.iter().map(|path| read_file(path)).collect();
    understand(troubles, files, context)
}

/// Understands one text.
pub(super) fn parse(text: &str, path: &Path, context: &Context) -> Loaded<Policy> {
    understand(Vec::new(), vec![File::new(path, text)], context)
}

/// Understands the texts of one policy, in the order in which [`load`] takes files.
pub(super) fn parse_all(texts: &BTreeMap<PathBuf, String>, context: &Context) -> Loaded<Policy> {
    let mut files: Vec<File> = texts.iter().map(|(path, text)| File::new(path, text)).collect();
    files.sort_by(|a, b| (a.path.file_name(), &a.path).cmp(&(b.path.file_name(), &b.path)));
    understand(Vec::new(), files, context)
}

/// A name, the file that has it, and its place there.
type Places<'f> = BTreeMap<String, (&'f File, Range<usize>)>;

fn understand(troubles: Vec<File>, files: Vec<File>, context: &Context) -> Loaded<Policy> {
    let read: Vec<(&File, PolicyFile)> =
        files.iter().map(|f| (f, if f.has_errors() { PolicyFile::default() } else { syntax::read(f) })).collect();
    let ladders = all_ladders(&read);
    let guard = one_guard(&read);
    let context = &Context { remote: one_remote(&read).or(context.remote.clone()), ..context.clone() };
    let mut policy = Policy {
        rules: Vec::new(),
        guard,
        gentle: ladders.get("gentle"),
        remote: context.remote.clone(),
        texts: BTreeMap::new(),
    };
    let mut places = Places::new();
    for (file, parsed) in &read {
        for rule in &parsed.rules {
            let unique = is_new(&mut places, file, rule);
            let compiled = rules::compile(file, context, &ladders, rule);
            if compiled.is_none() && !file.has_errors() {
                // A rule must never be lost without a word: rather no policy than one that protects less than it says.
                file.error("no-condition", rule.span.clone(), "this rule has no meaning", "please report this file");
            }
            policy.rules.extend(compiled.filter(|_| unique).map(Arc::new));
        }
        policy.texts.insert(file.path.clone(), file.text.to_string());
    }
    drop(read);
    let findings: Vec<_> = troubles.into_iter().chain(files).flat_map(File::into_findings).collect();
    match findings.iter().any(|f| f.severity == Severity::Error) {
        true => Err(findings),
        false => Ok((policy, findings)),
    }
}

fn is_new<'f>(places: &mut Places<'f>, file: &'f File, rule: &RuleFile) -> bool {
    let Some(name) = &rule.name else { return true };
    first(places, file, name.get_ref(), name.span(), "duplicate-rule", "rule")
}

/// Whether nobody had the name before; else the finding names the other place.
fn first<'f>(
    places: &mut Places<'f>,
    file: &'f File,
    name: &str,
    span: Range<usize>,
    code: &'static str,
    what: &str,
) -> bool {
    if let Some((other, at)) = places.get(name) {
        let message = format!("a second {what} `{name}`; the first is at {}:{}", other.path.display(), other.line(at));
        file.error(code, span, message, "names are unique over all files: choose another");
        return false;
    }
    places.insert(name.to_string(), (file, span));
    true
}

fn all_ladders(read: &[(&File, PolicyFile)]) -> Ladders {
    let mut ladders = Ladders::new();
    let mut places = Places::new();
    for (file, parsed) in read {
        for ladder in &parsed.ladders {
            let name = ladder.name.get_ref();
            let unique = first(&mut places, file, name, ladder.span.clone(), "duplicate-ladder", "ladder");
            let compiled = ladders::ladder(file, ladder);
            // A name whose ladder is broken is known all the same: one mistake, one finding.
            let stand_in = || crate::model::Ladder { name: name.as_str().into(), rungs: Vec::new() };
            if unique {
                ladders.insert(compiled.unwrap_or_else(stand_in));
            }
        }
    }
    ladders
}

fn one_guard(read: &[(&File, PolicyFile)]) -> Option<Guard> {
    let mut guard = Some(Guard::default());
    let mut places = Places::new();
    for (file, parsed) in read {
        if let Some(table) = &parsed.guard {
            first(&mut places, file, "[guard]", table.span.clone(), "duplicate-guard", "table");
            guard = ladders::guard(file, table);
        }
    }
    guard
}

/// The `[remote]` of the policy. One that has no meaning is an error, and the policy refused: what is given then does not matter.
fn one_remote(read: &[(&File, PolicyFile)]) -> Option<Arc<RemoteServer>> {
    let mut server = None;
    let mut places = Places::new();
    for (file, parsed) in read {
        if let Some(table) = &parsed.remote {
            first(&mut places, file, "[remote]", table.span.clone(), "duplicate-remote", "table");
            server = table.server.clone().map(Arc::new).or(server);
        }
    }
    server
}
