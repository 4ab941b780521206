//! A real daemon in a folder of its own, and what the scenes around it need.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{BIN, wait_for};

/// Long enough for a loaded machine of two cores.
pub const LONG: Duration = Duration::from_secs(60);

/// A folder, and the daemon in it.
pub struct Stage {
    folder: tempfile::TempDir,
    daemon: Option<Child>,
    flags: Vec<String>,
    /// The size of a disk of its own at FOLDER/disk.
    disk: Option<String>,
    /// A command that starts the daemon.
    starter: &'static [&'static str],
}

impl Stage {
    /// A daemon with this policy, 50 ms between ticks.
    pub fn new(policy: &str) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let http = format!("unix:{}", folder.path().join("http.sock").display());
        Stage::listening(folder, &http, policy)
    }

    /// The same, with metrics on a port of this machine.
    pub fn on_a_port(policy: &str) -> Stage {
        Stage::listening(tempfile::tempdir().unwrap(), "127.0.0.1:0", policy)
    }

    /// The same, with a configuration.
    pub fn configured(config: &str, policy: &str) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("earlystop.toml");
        std::fs::write(&file, config).unwrap();
        let mut stage = Stage { folder, daemon: None, flags: Vec::new(), disk: None, starter: &[] };
        std::fs::write(stage.policy(), policy).unwrap();
        let (file, policy) = (file.display().to_string(), stage.policy().display().to_string());
        let flags = ["daemon", "--config", &file, "--interval", "50ms", "--listen", "127.0.0.1:0", "--policy", &policy];
        stage.flags = flags.map(String::from).into();
        stage.start();
        stage
    }

    fn listening(folder: tempfile::TempDir, http: &str, policy: &str) -> Stage {
        let mut stage = Stage { folder, daemon: None, flags: Vec::new(), disk: None, starter: &[] };
        std::fs::write(stage.policy(), policy).unwrap();
        let policy = stage.policy().display().to_string();
        stage.flags = ["daemon", "--interval", "50ms", "--listen", http, "--policy", &policy].map(String::from).into();
        stage.start();
        stage
    }

    /// A daemon whose state is on a disk of this size, in a mount namespace of its own; `None` where that cannot be had.
    pub fn on_a_small_disk(policy: &str, size: &str) -> Option<Stage> {
        let can = ["--mount", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"];
        if !Command::new("unshare").args(can).output().is_ok_and(|output| output.status.success()) {
            return None;
        }
        let mut stage = Stage::new(policy);
        stage.kill();
        std::fs::create_dir(stage.path("disk")).unwrap();
        stage.disk = Some(size.to_string());
        stage.flags.extend(["--state".to_string(), stage.path("disk").display().to_string()]);
        stage.start();
        Some(stage)
    }

    /// A daemon in a pid namespace of its own, which sees none of our processes; `None` where that cannot be had.
    pub fn in_a_pid_namespace(policy: &str) -> Option<Stage> {
        if !Command::new(APART[0]).args(&APART[1..]).arg("true").output().is_ok_and(|output| output.status.success()) {
            return None;
        }
        let mut stage = Stage::new(policy);
        stage.kill();
        stage.starter = APART;
        stage.start();
        Some(stage)
    }

    /// A daemon whose state is on an awkward file system (see `tests/data/awkward_fs.py`).
    pub fn on(disk: &Awkward, policy: &str) -> Stage {
        let mut stage = Stage::new(policy);
        stage.kill();
        stage.flags.extend(["--state".to_string(), disk.path().display().to_string()]);
        stage.start();
        stage
    }

    /// Leaves no room on the small disk.
    pub fn fill_disk(&self) {
        let inside = format!("/proc/{}/root{}", self.pid(), self.path("disk/ballast").display());
        let mut file = std::fs::File::create(inside).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
    }

    /// Starts the daemon (again) and waits until it answers.
    pub fn start(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        let mut command = self.command(&flags);
        if let Some(size) = &self.disk {
            let disk = self.path("disk");
            let script = format!("mount -t tmpfs -o size={size} none '{}' && exec \"$0\" \"$@\"", disk.display());
            let mut inside = Command::new("unshare");
            inside.args(["--mount", "sh", "-c", &script, BIN]).args(&flags).stdin(Stdio::null());
            inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            command = inside;
        }
        if let [program, words @ ..] = self.starter {
            let mut inside = Command::new(program);
            inside.args(words).arg(BIN).args(&flags).stdin(Stdio::null());
            inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            command = inside;
        }
        let daemon = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.daemon = Some(daemon);
        wait_for("the daemon answers", LONG, || {
            self.command(&["list"]).output().unwrap().status.success().then_some(())
        });
    }

    /// Ends what a scene left behind, a command whose `run` was killed for one: processes whose environment names this folder,
    /// which nobody but our own descendants can know.
    fn clear(&self) {
        let own = format!("FOLDER={}", self.folder.path().display());
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
            if pid != std::process::id() as i32 && environment.split(|byte| *byte == 0).any(|e| e == own.as_bytes()) {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
            }
        }
    }

    /// The daemon's process.
    pub fn pid(&self) -> i32 {
        self.daemon.as_ref().expect("it was started").id() as i32
    }

    /// SIGKILL for the daemon.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("it was started");
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// Ends the daemon in good order: its journal is written to the end.
    pub fn finish(&mut self) {
        let mut daemon = self.daemon.take().expect("it was started");
        let pid = nix::unistd::Pid::from_raw(daemon.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        wait_for("the daemon ends", LONG, || daemon.try_wait().unwrap());
    }

    /// The daemon's journal.
    pub fn journal(&self) -> PathBuf {
        let state = std::fs::read_dir(self.path("earlystop")).unwrap().flatten();
        let found = state.map(|host| host.path().join("journal.sqlite")).find(|path| path.is_file());
        found.expect("a journal in STATE/HOST")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn policy(&self) -> PathBuf {
        self.path("policy.toml")
    }

    fn http(&self) -> PathBuf {
        self.path("http.sock")
    }

    pub fn socket(&self) -> PathBuf {
        self.path("earlystop/earlystop.sock")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// `earlystop ...` in this folder.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BIN);
        let folder = self.folder.path();
        command.env("XDG_RUNTIME_DIR", folder).env("XDG_STATE_HOME", folder).env("XDG_CONFIG_HOME", folder);
        command.env_remove("EARLYSTOP_SOCKET").args(words).stdin(Stdio::null());
        command
    }

    /// `earlystop run --trial NAME -- python3 -c SCRIPT`, joined to the daemon, once it has printed its first line.
    pub fn run(&self, trial: &str, script: &str) -> Trainer {
        self.run_with(&[], trial, script)
    }

    pub fn run_with(&self, flags: &[&str], trial: &str, script: &str) -> Trainer {
        let words = [&["run", "--trial", trial], flags, &["--", "python3", "-S", "-u", "-c", script]].concat();
        Trainer::start(self.command(&words).env("FOLDER", self.folder.path()))
    }

    /// A Python program outside `run`.
    pub fn python(&self, script: &str) -> Trainer {
        self.python_with(script, &[])
    }

    /// The same with more in its environment. Its input ends with this process.
    pub fn python_with(&self, script: &str, environment: &[(&str, &str)]) -> Trainer {
        let mut command = Command::new("python3");
        command.args(["-S", "-u", "-c", script]).env("FOLDER", self.folder.path());
        command.env("EARLYSTOP_SOCKET", self.socket()).envs(environment.iter().copied()).stdin(Stdio::piped());
        Trainer::start(&mut command)
    }

    /// `list --json`
    pub fn list(&self) -> Vec<Value> {
        let output = self.command(&["list", "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// A trial's row.
    pub fn row(&self, trial: &str) -> Option<Value> {
        self.list().into_iter().find(|row| row["trial"] == trial)
    }

    /// Waits until a trial is in this state, and gives its row.
    pub fn wait_state(&self, trial: &str, state: &str) -> Value {
        wait_for(&format!("{trial} is {state}"), LONG, || self.row(trial).filter(|row| row["state"] == state))
    }

    /// HOST:PORT of the metrics, as the log says.
    pub fn address(&self) -> String {
        let log = self.log();
        let (_, rest) = log.split_once("metrics at http://").expect("it listens on a port");
        rest.split('/').next().unwrap_or_default().to_string()
    }

    /// The body of a scrape from a port.
    pub fn scrape(&self) -> String {
        let mut stream = std::net::TcpStream::connect(self.address()).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.split_once("\r\n\r\n").expect("a head and a body").1.to_string()
    }

    /// A scrape.
    pub fn metrics(&self) -> String {
        let mut stream = UnixStream::connect(self.http()).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// The value of the first series of this name that has all these labels (`trial="a"`).
    pub fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let text = self.metrics();
        let is_it = |line: &&str| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']));
            rest.is_some_and(|rest| labels.iter().all(|label| rest.contains(label)))
        };
        text.lines().find(is_it)?.rsplit(' ').next()?.parse().ok()
    }

    /// What the scripts wrote into a file, by lines.
    pub fn lines(&self, name: &str) -> Vec<String> {
        read_lines(&self.path(name))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log());
        }
        if self.daemon.is_some() {
            self.kill();
        }
        self.clear();
    }
}

/// A pid namespace that ends with the command that made it.
pub const APART: &[&str] = &["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// A mounted `tests/data/awkward_fs.py`; it goes with this.
pub struct Awkward {
    folder: tempfile::TempDir,
    server: Child,
    out: BufReader<ChildStdout>,
}

impl Awkward {
    /// `None` where file systems of one's own cannot be had.
    pub fn mount(how: &[&str]) -> Option<Awkward> {
        let folder = tempfile::tempdir().unwrap();
        let script = crate::support::repository().join("tests/data/awkward_fs.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(folder.path()).args(how).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = command.stderr(Stdio::null()).spawn().ok()?;
        let out = BufReader::new(server.stdout.take().unwrap());
        let mut disk = Awkward { folder, server, out };
        (disk.line() == "mounted").then_some(disk)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The next line it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }

    /// Lets go of those who hang.
    pub fn release(&mut self) {
        self.server.stdin.as_mut().expect("it was piped").write_all(b"release\n").unwrap();
    }
}

impl Drop for Awkward {
    fn drop(&mut self) {
        // The end of its input is its end; it unmounts itself.
        drop(self.server.stdin.take());
        let _ = self.server.wait();
    }
}

fn read_lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(String::from).collect()
}

/// A command under test; killed when it is dropped.
pub struct Trainer {
    child: Child,
    out: BufReader<ChildStdout>,
    first: String,
}

impl Trainer {
    /// Starts it and waits for its first line.
    pub fn start(command: &mut Command) -> Trainer {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut trainer = Trainer { out: BufReader::new(child.stdout.take().unwrap()), child, first: String::new() };
        trainer.first = trainer.line();
        trainer
    }

    /// Its first line.
    pub fn first(&self) -> &str {
        &self.first
    }

    /// The next line it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }

    /// Waits for its end: exit code and what it said on stderr.
    pub fn end(mut self) -> (Option<i32>, String) {
        let status = wait_for("it ends", LONG, || self.child.try_wait().unwrap());
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    }

    /// SIGKILL, and its end.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process is there and no zombie.
pub fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z') && !rest.is_empty())
}
