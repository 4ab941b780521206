//! Ray, started for a search and gone with it. Ray Tune runs the trials; which one next, and on which core, is said here.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::prctl::set_child_subreaper;
use serde::{Deserialize, Serialize};

use super::orphans;
use super::trainer::Trainer;

/// How long Ray may take to clear up; it needs three seconds.
const CLEARING: Duration = Duration::from_secs(30);

/// What is to be trained: the arguments of a trial.
#[derive(Serialize)]
struct Wanted<'a> {
    arguments: &'a [String],
}

/// A line that the script says.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Said {
    /// A trial's process is over; by an error, if there is one.
    Ended { ended: Vec<String>, error: Option<String> },
    /// Ray Tune waits for trials.
    Ready { ready: bool },
    /// Nothing more will come.
    Broken { broken: String },
}

/// Who waits for the end of which trial; none can, once the script is gone.
type Waiting = Arc<Mutex<Option<HashMap<Vec<String>, Sender<Option<String>>>>>>;

/// A running Ray, and the script that speaks with it. Dropping it ends both and all that they started.
#[derive(Debug)]
pub struct Session {
    child: Child,
    /// Ray ends when this closes.
    input: Mutex<Option<ChildStdin>>,
    waiting: Waiting,
    reader: Option<JoinHandle<()>>,
    log: PathBuf,
}

/// Where the store of MLflow is, as a URI.
pub fn store(out: &Path) -> io::Result<String> {
    Ok(format!("sqlite:///{}", fs::canonicalize(out)?.join("mlflow.db").display()))
}

impl Session {
    /// Starts Ray with the rows of all trials in its object store. `watched_as`: the sidecar watches Ray itself too, as
    /// this trial of the experiment `ray`.
    ///
    /// # Errors
    /// What the script says when it cannot start.
    pub fn start(
        trainer: &Trainer,
        out: &Path,
        rows: &[PathBuf],
        slots: usize,
        socket: &Path,
        watched_as: Option<&str>,
    ) -> Result<Session, Box<dyn Error>> {
        let log = out.join("ray.log");
        let to_log = File::options().create(true).append(true).open(&log);
        let to_log = to_log.map_err(|e| format!("cannot write {}: {e}", log.display()))?;
        // What Ray's processes leave behind is this process's, which clears it away.
        set_child_subreaper(true)?;
        let mut command = trainer.script("ray_trainer.py");
        command.arg(format!("--mlflow={}", store(out)?)).arg(format!("--slots={slots}"));
        command.args(watched_as.map(|name| format!("--watched-as={name}"))).arg("--").args(rows);
        // A group of its own: Ctrl-C ends this process, and with its end the input closes.
        command.env("EARLYSTOP_SOCKET", socket).process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(to_log).spawn()?;
        let (input, output) = (Mutex::new(child.stdin.take()), child.stdout.take());
        let waiting = Waiting::new(Mutex::new(Some(HashMap::new())));
        let (tell, told) = channel();
        let reader = output.map(|output| {
            let waiting = waiting.clone();
            thread::spawn(move || read(output, &waiting, tell))
        });
        let session = Session { child, input, waiting, reader, log };
        match told.recv() {
            Ok(Ok(())) => Ok(session),
            Ok(Err(broken)) => Err(session.gone(&broken).into()),
            Err(_) => Err(session.gone("it ended before it was ready").into()),
        }
    }

    /// Has a trial run to its end, beside the sidecar that listens there. Gives why it failed, if it did.
    ///
    /// # Errors
    /// Ray is gone.
    pub fn run(&self, arguments: &[String], socket: &Path) -> io::Result<Option<String>> {
        // The first one says which part of this program is meant.
        let own = arguments.iter().skip(1).cloned();
        let arguments = &own.chain([format!("--socket={}", socket.display())]).collect::<Vec<_>>();
        let gone = || io::Error::other(self.gone("it ended while trials were running"));
        let ended = self.await_end_of(arguments).ok_or_else(gone)?;
        let mut line = serde_json::to_vec(&Wanted { arguments })?;
        line.push(b'\n');
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        input.as_mut().ok_or_else(gone)?.write_all(&line).map_err(|_| gone())?;
        drop(input);
        ended.recv().map_err(|_| gone())
    }

    fn await_end_of(&self, arguments: &[String]) -> Option<Receiver<Option<String>>> {
        let (tell, told) = channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).as_mut()?.insert(arguments.to_vec(), tell);
        Some(told)
    }

    fn gone(&self, why: &str) -> String {
        format!("Ray does not run: {why}; {} has what it said", self.log.display())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        *self.input.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if !orphans::ended_within(&mut self.child, CLEARING) {
            // It is our child, and nobody waited for it yet. An error says that it is gone.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        orphans::end();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Passes on what the script says, to its end.
fn read(output: ChildStdout, waiting: &Waiting, ready: Sender<Result<(), String>>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Said::Ended { ended, error }) => {
                let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(tell) = waiting.as_mut().and_then(|waiting| waiting.remove(&ended)) {
                    // Nobody waits for it any more where this fails.
                    let _ = tell.send(error);
                }
            }
            Ok(Said::Ready { ready: true }) => drop(ready.send(Ok(()))),
            Ok(Said::Ready { ready: false }) => {}
            Ok(Said::Broken { broken }) => drop(ready.send(Err(broken))),
            Err(error) => drop(ready.send(Err(format!("{line:?} is no answer: {error}")))),
        }
    }
    *waiting.lock().unwrap_or_else(PoisonError::into_inner) = None;
}
