//! What the README says is so: its commands exist and take its flags, its policies are good, its scripts run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use earlystop::model::Limits;
use earlystop::wire::parse;

use crate::prometheus::{TRAINER, tool};
use crate::stage::{LONG, Stage};
use crate::support::{BIN, repository, wait_for};
use crate::thesis::example;

/// A fenced block.
struct Block {
    /// What stands behind the fence.
    language: String,
    /// Its line in the README.
    line: usize,
    /// What stands in it.
    text: String,
}

fn readme() -> String {
    fs::read_to_string(repository().join("README.md")).expect("README.md")
}

/// All fenced blocks.
fn blocks(page: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut inside = false;
    for (index, line) in page.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(language) => {
                inside = true;
                found.push(Block { language: language.trim().into(), line: index + 1, text: String::new() });
            }
            None if inside => {
                let block = found.last_mut().expect("a block was opened");
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!inside, "a fence is not closed");
    found
}

/// The blocks in one language.
fn blocks_in(language: &str) -> Vec<Block> {
    let all = blocks(&readme()).into_iter().filter(|block| block.language == language).collect::<Vec<_>>();
    assert!(!all.is_empty(), "the README has no block in {language:?}");
    all
}

/// The commands of all shell blocks, with their lines.
fn commands() -> Vec<(usize, String)> {
    let lines = |block: Block| {
        let numbered = block.text.lines().map(str::to_string).enumerate().collect::<Vec<_>>();
        numbered.into_iter().map(move |(index, command)| (block.line + 1 + index, command))
    };
    blocks_in("sh").into_iter().flat_map(lines).filter(|(_, command)| !command.is_empty()).collect()
}

/// Runs a command line of the README in `folder`, with folders of its own for everything that is written.
fn run_in(folder: &Path, command: &str) -> Output {
    let bin = Path::new(BIN).parent().expect("the program lies in a folder").display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("bash");
    shell.args(["-c", command]).current_dir(folder).env("PATH", format!("{bin}:{path}"));
    for (variable, name) in [("XDG_RUNTIME_DIR", "r"), ("XDG_STATE_HOME", "s"), ("XDG_CONFIG_HOME", "c")] {
        let place = folder.join(name);
        fs::create_dir_all(&place).expect("a folder in a folder of ours");
        fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).expect("it is ours");
        shell.env(variable, place);
    }
    shell.env("PYTHONPATH", repository().join("python"));
    for variable in ["SOCKET", "TRIAL", "EXPERIMENT", "RUN", "CONFIG"] {
        shell.env_remove(format!("EARLYSTOP_{variable}"));
    }
    shell.output().expect("there is bash")
}

fn said(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_two_commands_are_at_the_top() {
    let commands: Vec<String> = commands().into_iter().map(|(_, command)| command).collect();
    assert_eq!(commands[..2], ["cargo run --release --example thesis", "tests/run.sh"]);
    assert!(repository().join("examples/thesis/main.rs").is_file());
    for script in ["tests/run.sh", ".ci/run"] {
        let mode = fs::metadata(repository().join(script)).expect(script).permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script} is not executable");
    }
    let ci = fs::read_to_string(repository().join(".ci/run")).expect(".ci/run");
    for call in ["tests/run.sh", "cargo fmt --check", "cargo clippy --all-targets -- -D warnings"] {
        assert!(ci.lines().any(|line| line == format!("step {call}")), ".ci/run does not call {call}");
    }
}

#[test]
fn every_command_exists_and_takes_its_flags() {
    let mut wrong = Vec::new();
    for (line, command) in commands() {
        let words: Vec<&str> = command.split_whitespace().take_while(|word| *word != "--").collect();
        match words[..] {
            ["earlystop", subcommand, ref rest @ ..] => {
                let help = Command::new(BIN).args([subcommand, "--help"]).output().expect("the program runs");
                let text = String::from_utf8_lossy(&help.stdout);
                if !help.status.success() || text.is_empty() {
                    wrong.push(format!("README.md:{line}: no command {subcommand:?}"));
                }
                let flags = rest.iter().filter_map(|word| word.split('=').next()).filter(|w| w.starts_with("--"));
                let unknown = flags.filter(|flag| !text.split([' ', '\n', ',', '[', '=']).any(|word| word == *flag));
                wrong.extend(unknown.map(|flag| format!("README.md:{line}: {subcommand} has no {flag}")));
            }
            // Others' programs; `it_is_asked_as_it_says` runs them.
            ["curl" | "promtool", ..] => {}
            // `the_experiments_exist_and_take_their_flags` looks at what comes after `--`.
            ["cargo", "run", "--release", "--example", "thesis"] | ["cargo", "install", ..] | ["tests/run.sh"] => {}
            ["python3", "-m", "pip", "install", "./python"] => {
                if !repository().join("python/pyproject.toml").is_file() {
                    wrong.push(format!("README.md:{line}: nothing to install in python/"));
                }
            }
            _ => wrong.push(format!("README.md:{line}: this test does not know {command:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The example's commands in the README, without what cargo is told: the line, and the words.
fn experiments() -> Vec<(usize, Vec<String>)> {
    let words = |(line, command): (usize, String)| {
        let rest = command.strip_prefix("cargo run --release --example thesis")?;
        Some((line, rest.split_whitespace().skip(1).map(str::to_string).collect()))
    };
    commands().into_iter().filter_map(words).collect()
}

/// The long words of a help text.
fn has_flag(help: &str, flag: &str) -> bool {
    help.split([' ', '\n', ',', '[', '=', '.']).any(|word| word == flag)
}

#[test]
fn the_experiments_exist_and_take_their_flags() {
    let example = example();
    let mut wrong = Vec::new();
    for (line, words) in experiments() {
        let subcommand = words.first().filter(|word| !word.starts_with('-'));
        let help = Command::new(&example).args(subcommand).arg("--help").output().expect("the example runs");
        let text = String::from_utf8_lossy(&help.stdout).into_owned();
        if !help.status.success() || !text.contains("Usage: thesis") {
            wrong.push(format!("README.md:{line}: no command {subcommand:?}"));
        }
        let own = words.iter().take_while(|word| *word != "--").filter(|word| word.starts_with("--"));
        wrong.extend(own.filter(|flag| !has_flag(&text, flag)).map(|flag| format!("README.md:{line}: no {flag}")));
        let of_search: Vec<&String> = words.iter().skip_while(|word| *word != "--").skip(1).collect();
        if !of_search.is_empty() {
            let help = Command::new(&example).args(["search", "--help"]).output().expect("the example runs");
            let text = String::from_utf8_lossy(&help.stdout);
            let flags = of_search.into_iter().filter(|word| word.starts_with("--"));
            wrong
                .extend(flags.filter(|flag| !has_flag(&text, flag)).map(|flag| format!("README.md:{line}: no {flag}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_experiments_are_told_and_those_that_take_seconds_run() {
    let example = example();
    let help = Command::new(&example).arg("--help").output().expect("the example runs");
    let text = String::from_utf8_lossy(&help.stdout);
    let listed = text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // What a line has no room for goes on further right.
    let listed = listed.filter(|line| !line.starts_with("   "));
    let names: Vec<&str> =
        listed.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert!(names.len() > 5, "{text}");
    let told = experiments();
    let missing =
        names.iter().filter(|name| !told.iter().any(|(_, words)| words.first().is_some_and(|word| word == *name)));
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "the README says nothing of {missing:?}");
    // The others have tests of their own, with fewer trials: this build is not optimised.
    let is_short = |words: &[String]| words.first().is_some_and(|word| ["parity", "control"].contains(&word.as_str()));
    for (line, words) in told.iter().filter(|(_, words)| is_short(words)) {
        let folder = tempfile::tempdir().expect("a folder of our own");
        let mut command = Command::new(&example);
        command.args(words).current_dir(repository()).env("XDG_RUNTIME_DIR", folder.path());
        if words[0] == "control" {
            command.args(["--seconds", "1", "--out"]).arg(folder.path());
        }
        let output = command.output().expect("the example runs");
        assert!(output.status.success(), "README.md:{line}: {words:?}: {}", said(&output));
    }
}

#[test]
fn the_programs_commands_are_those_of_the_readme() {
    let help = Command::new(BIN).arg("--help").output().expect("the program runs");
    let text = String::from_utf8_lossy(&help.stdout).to_string();
    let listed = text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 5, "{text}");
    let page = readme();
    let missing: Vec<_> = names.iter().filter(|name| !page.contains(&format!("earlystop {name}"))).collect();
    assert!(missing.is_empty(), "the README says nothing of {missing:?}");
}

#[test]
fn its_runs_run() {
    let folder = tempfile::tempdir().expect("a folder of our own");
    std::os::unix::fs::symlink(repository().join("policies"), folder.path().join("policies")).expect("a link");
    let script = blocks_in("python").remove(0);
    fs::write(folder.path().join("train.py"), script.text).expect("a file in a folder of ours");
    let runs = |command: &str| {
        ["earlystop run ", "earlystop check ", "earlystop heartbeat "].iter().any(|start| command.starts_with(start))
    };
    let commands: Vec<_> = commands().into_iter().filter(|(_, command)| runs(command)).collect();
    assert!(commands.len() >= 5, "{commands:?}");
    for (line, command) in commands {
        let output = run_in(folder.path(), &command);
        assert!(output.status.success(), "README.md:{line}: {command}: {}", said(&output));
    }
}

#[test]
fn it_is_asked_as_it_says() {
    let stage = Stage::on_a_port("");
    let _trainer = stage.python(TRAINER);
    let folder = tempfile::tempdir().expect("a folder of our own");
    let asks = |command: &str| ["curl ", "promtool "].iter().any(|program| command.starts_with(program));
    let commands: Vec<_> = commands().into_iter().filter(|(_, command)| asks(command)).collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    for (line, command) in commands {
        assert!(command.contains(earlystop::policy::Config::DEFAULT_LISTEN), "README.md:{line}: another address");
        let program = command.split(' ').next().expect("a word");
        if program == "curl" && Command::new("curl").arg("--version").output().is_err() {
            eprintln!("README.md:{line}: not run: no curl");
            continue;
        }
        let found = if program == "curl" { Some("curl".into()) } else { tool(program) };
        let Some(found) = found else { continue };
        let command = command.replace(earlystop::policy::Config::DEFAULT_LISTEN, &stage.address());
        let command = command.replacen(program, &found.display().to_string(), 1);
        wait_for(&format!("README.md:{line}: {command}: an answer about the trial"), LONG, || {
            let output = run_in(folder.path(), &command);
            assert!(output.status.success(), "README.md:{line}: {command}: {}", said(&output));
            said(&output).contains("steady").then_some(())
        });
    }
}

#[test]
fn its_policies_are_good() {
    let folder = tempfile::tempdir().expect("a folder of our own");
    for block in blocks_in("toml") {
        fs::write(folder.path().join("policy.toml"), &block.text).expect("a file in a folder of ours");
        let output = run_in(folder.path(), "earlystop check policy.toml");
        assert!(output.status.success(), "README.md:{}: {}", block.line, said(&output));
    }
}

#[test]
fn its_python_is_python() {
    for block in blocks_in("python") {
        let output = Command::new("python3")
            .args(["-c", "import sys; compile(sys.argv[1], 'README.md', 'exec')", &block.text])
            .output()
            .expect("there is python3");
        assert!(output.status.success(), "README.md:{}: {}", block.line, said(&output));
    }
}

#[test]
fn its_lines_of_json_are_understood() {
    for block in blocks_in("json") {
        for line in block.text.lines() {
            let understood = parse(line.as_bytes(), &Limits::default());
            assert!(understood.is_ok(), "README.md:{}: {line}: {understood:?}", block.line);
        }
    }
}

#[test]
fn prometheus_takes_its_snippet() {
    let block = blocks_in("yaml").remove(0);
    assert!(block.text.contains(earlystop::policy::Config::DEFAULT_LISTEN), "another address than the default");
    let folder = tempfile::tempdir().expect("a folder of our own");
    fs::write(folder.path().join("prometheus.yml"), &block.text).expect("a file in a folder of ours");
    let Some(promtool) = tool("promtool") else { return };
    let check = Command::new(promtool).args(["check", "config", "prometheus.yml"]).current_dir(folder.path()).output();
    let output = check.expect("promtool runs");
    assert!(output.status.success(), "README.md:{}: {}", block.line, said(&output));
}

#[test]
fn the_files_it_names_are_there() {
    let page = readme();
    let links = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let local = links.filter(|link| !link.contains("://"));
    for path in local.chain(["policies", "grafana", "python/earlystop"]) {
        assert!(repository().join(path).exists(), "the README names {path}");
    }
}
