//! The house's invariants that can be tests: who may import whom, who may signal, who may read a clock or the world,
//! and that nothing of one machine is written down.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::repository;

/// The rooms in the order of ARCHITECTURE.md; those of one row stand side by side.
const ROOMS: [&[&str]; 11] = [
    &["cli"],
    &["daemon"],
    &["source", "act", "export", "import"],
    &["replay"],
    &["engine"],
    &["policy"],
    &["state"],
    &["promql"],
    &["stopper"],
    &["wire", "journal", "sys"],
    &["model"],
];

/// Rooms that stand side by side and still must not see each other.
const EDGES: [&str; 4] = ["source", "act", "export", "import"];

/// Rooms of the pure middle: what they decide follows from what they are given.
const PURE: [&str; 6] = ["engine", "policy", "state", "promql", "stopper", "model"];

/// The one file of the pure middle that reads files: policies come from the disk.
const READS_FILES: [&str; 1] = ["src/policy/load.rs"];

/// Ways to read a clock.
const CLOCKS: [&str; 5] = ["SystemTime::now", "Instant::now", "clock_gettime", ".elapsed()", "Timestamp::now"];

/// Ways to see or change the world.
const WORLD: [&str; 12] = [
    "std::fs",
    "fs::read",
    "fs::write",
    "File::open",
    "File::create",
    "std::net",
    "std::process",
    "std::thread",
    "std::env",
    "tokio::",
    "rustix::",
    "libc::",
];

/// Ways to give a signal.
const SIGNALS: [&str; 6] = ["pidfd_send_signal", "kill_process", "kill(", "killpg(", "tgkill", "tkill"];

/// Who may signal. `act/` is the room for it; `sys/` wraps the raw call; `run` passes on the signals that it gets
/// itself to the command that it started itself.
const SIGNALLERS: [&str; 3] = ["src/act/", "src/sys/", "src/cli/run"];

/// Longest file, in lines above its tests.
const MAX_LINES: usize = 450;

/// A source file: its path from the repository's root, and its text above the unit tests, comments taken out.
struct Source {
    path: String,
    code: Vec<String>,
}

impl Source {
    fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let room = inside.split('/').next()?.trim_end_matches(".rs");
        rank(room).map(|_| room)
    }

    /// Lines that hold one of the words as a whole, as `path:line: word`.
    fn finds(&self, words: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for (index, line) in self.code.iter().enumerate() {
            for word in words {
                if holds(line, word) {
                    found.push(format!("{}:{}: {word}", self.path, index + 1));
                }
            }
        }
        found
    }
}

/// Whether `word` stands in the line and does not begin in the middle of a longer one.
fn holds(line: &str, word: &str) -> bool {
    let part_of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !(word.starts_with(part_of_a_word) && before.is_some_and(part_of_a_word))
    })
}

/// The place of a room in the order, from the top.
fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|row| row.contains(&room))
}

/// All files below `folder` that end in `.rs`.
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The files of `src/`.
fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    rust_files(&repository().join("src"), &mut files);
    assert!(files.len() > 10, "looked in the wrong place");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source file is UTF-8");
        let path = path.strip_prefix(repository()).expect("below the root").display().to_string();
        Source { code: above_tests(&path, &text), path }
    };
    files.into_iter().map(read).collect()
}

/// The lines above the unit tests, comments blanked. A file that is all tests has none.
fn above_tests(path: &str, text: &str) -> Vec<String> {
    if path.ends_with("tests.rs") || path.contains("/tests/") {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let is_test_module = |at: usize| {
        lines[at].trim() == "#[cfg(test)]" && lines.get(at + 1).is_some_and(|l| l.trim_start().starts_with("mod "))
    };
    let end = (0..lines.len()).find(|at| is_test_module(*at)).unwrap_or(lines.len());
    lines[..end].iter().map(|line| line.split("//").next().unwrap_or("").to_string()).collect()
}

/// The rooms that a line names: `crate::ROOM` and `use crate::{ROOM::..., ROOM}`.
fn rooms_named(code: &str) -> Vec<String> {
    let word = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut named = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => named.push(word(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut item = true;
                for (index, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => item = true,
                        _ if item && !c.is_whitespace() => {
                            named.push(word(&list[index..]));
                            item = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    named
}

/// Fails with all findings.
fn nothing(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn imports_run_downwards() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(room) = source.room() else { continue };
        let own = rank(room);
        for named in rooms_named(&source.code.join("\n")) {
            let Some(other) = rank(&named) else { continue };
            let edge_to_edge = named != room && EDGES.contains(&room) && EDGES.contains(&named.as_str());
            if Some(other) < own || edge_to_edge {
                wrong.push(format!("{} imports {named}", source.path));
            }
        }
    }
    nothing("imports only run downwards, and the edges never see each other", wrong);
}

#[test]
fn the_rooms_are_those_of_architecture_md() {
    let page = fs::read_to_string(repository().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let table: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split("/` |").next())
        .filter(|room| rank(room).is_some())
        .collect();
    let places: Vec<_> = table.iter().map(|room| rank(room)).collect();
    assert!(places.is_sorted(), "the page lists the rooms in another order: {table:?}");
    assert_eq!(table.len(), ROOMS.iter().map(|row| row.len()).sum::<usize>(), "{table:?}");
    for room in ROOMS.concat() {
        assert!(repository().join("src").join(room).is_dir(), "no room {room}");
    }
}

#[test]
fn only_act_signals() {
    let may = |path: &str| SIGNALLERS.iter().any(|place| path.starts_with(place));
    let found = sources().iter().filter(|s| !may(&s.path)).flat_map(|s| s.finds(&SIGNALS)).collect();
    nothing("only act/ gives signals", found);
}

#[test]
fn the_middle_reads_no_clock() {
    let pure = |s: &&Source| s.room().is_some_and(|room| PURE.contains(&room));
    nothing("time comes in as a Moment", sources().iter().filter(pure).flat_map(|s| s.finds(&CLOCKS)).collect());
}

#[test]
fn the_middle_does_no_input_or_output() {
    let pure =
        |s: &&Source| s.room().is_some_and(|room| PURE.contains(&room)) && !READS_FILES.contains(&s.path.as_str());
    nothing(
        "what happened comes in as an Event",
        sources().iter().filter(pure).flat_map(|s| s.finds(&WORLD)).collect(),
    );
}

#[test]
fn the_middle_has_no_door_to_the_world() {
    let mut wrong = Vec::new();
    for source in sources() {
        if source.room().is_some_and(|room| PURE.contains(&room)) && !READS_FILES.contains(&source.path.as_str()) {
            let doors = rooms_named(&source.code.join("\n")).into_iter().filter(|r| r == "sys" || r == "journal");
            wrong.extend(doors.map(|door| format!("{} imports {door}", source.path)));
        }
    }
    nothing("system calls and the journal are for the edges", wrong);
}

#[test]
fn files_are_nouns_and_not_shelves() {
    let long = |s: &Source| (s.code.len() > MAX_LINES).then(|| format!("{}: {} lines", s.path, s.code.len()));
    nothing("more than 450 lines above the tests", sources().iter().filter_map(long).collect());
}

#[test]
fn nothing_of_one_machine_is_written_down() {
    // Put together here, so that this file does not find itself.
    let places = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat()];
    let mut found = Vec::new();
    for path in tracked_files() {
        let Ok(text) = fs::read_to_string(repository().join(&path)) else { continue };
        for (index, line) in text.lines().enumerate() {
            let hit = |place: &String| line.match_indices(place.as_str()).any(|(at, _)| is_absolute(&line[..at]));
            if places.iter().any(hit) {
                found.push(format!("{path}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    nothing("paths of somebody's machine", found);
}

/// Whether a path that begins after this text begins at the root: `../shared/work/` and `target/work/` do not.
fn is_absolute(before: &str) -> bool {
    !before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | ')' | '*'))
}

/// Files that git tracks; without git (a source archive) those below the folders that matter.
fn tracked_files() -> Vec<String> {
    let listed = std::process::Command::new("git").arg("ls-files").current_dir(repository()).output();
    if let Ok(output) = listed
        && output.status.success()
        && !output.stdout.is_empty()
    {
        return String::from_utf8_lossy(&output.stdout).lines().map(str::to_string).collect();
    }
    let mut files = Vec::new();
    for folder in ["src", "tests", "examples"] {
        rust_files(&repository().join(folder), &mut files);
    }
    let relative = |path: PathBuf| path.strip_prefix(repository()).expect("below the root").display().to_string();
    files.into_iter().map(relative).collect()
}

#[test]
fn the_checks_themselves_see_what_they_look_for() {
    assert_eq!(rooms_named("use crate::model::Name; crate::sys::now()"), ["model", "sys"]);
    assert_eq!(rooms_named("use crate::{model::{Name, Rule}, act, state::*};"), ["model", "act", "state"]);
    assert!(holds("    let t = Instant::now();", "Instant::now") && !holds("MyInstant::now()", "Instant::now"));
    assert!(
        holds("child.kill()?", "kill(") && holds("signal::kill(pid, 9)", "kill(") && !holds("overkill(x)", "kill(")
    );
    let text = "a\n// b Instant::now\n#[cfg(test)]\nmod tests {\nInstant::now()\n}";
    assert_eq!(above_tests("src/x.rs", text), ["a", ""]);
    assert_eq!(above_tests("src/x.rs", "#[cfg(test)]\nuse x;\nfn f() {}").len(), 3);
    assert!(is_absolute("see ") && is_absolute("\"") && !is_absolute("target") && !is_absolute(".."));
}
