//! Processes that must never get a signal, however much they look like a trial's.

use crate::stage::{Stage, Trainer};
use crate::support::wait_for;

use super::{LONG, script};

/// Notes every signal that can be caught, takes as much memory as a hog, and is gone when its test is.
const BODY: &str = "for number in sorted(signal.valid_signals() - {9, 19}):
    signal.signal(number, noting('bystander', False))
grow()
print(os.getpid(), flush=True)
sys.stdin.read()";

/// What a trial's process does to look the same from outside: same user, group, session, program and arguments.
pub const TWIN: &str = "if os.environ.get('TWIN') != 'bystander':
    signal.signal(15, noting('term', True))
    print(os.getpid())
    grow()
    wait()
";

/// A process that must never get a signal: it notes each it could get.
pub struct Bystander {
    process: Trainer,
    pid: i32,
}

impl Bystander {
    /// Beside the trials of this stage.
    pub fn new(stage: &Stage) -> Bystander {
        Bystander::running(stage, &script(BODY))
    }

    /// One whose arguments are those of a trainer that runs [`twin`].
    pub fn twin(stage: &Stage) -> Bystander {
        Bystander::running(stage, &twin())
    }

    fn running(stage: &Stage, script: &str) -> Bystander {
        let process = stage.python_with(script, &[("TWIN", "bystander")]);
        let pid = process.first().parse().expect("its pid");
        Bystander { process, pid }
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// It lives and has noted nothing. Whoever was signalled but had no time to run its handler yet is given the time: a
    /// signal of the test's own, which must be the only one.
    pub fn stays_untouched(mut self, stage: &Stage) {
        assert!(!self.process.has_ended(), "the bystander lives");
        let probe = nix::sys::signal::Signal::SIGWINCH;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid), probe).expect("it is our child");
        let line = format!("{} {}", self.pid, probe as i32);
        let noted = || {
            let own = format!("{} ", self.pid);
            let lines: Vec<String> = stage.lines("bystander").into_iter().filter(|l| l.starts_with(&own)).collect();
            lines.contains(&line).then_some(lines)
        };
        let noted = wait_for("the bystander's handler runs", LONG, noted);
        assert_eq!(noted, [line], "the bystander got no signal but the test's own");
        assert!(!self.process.has_ended(), "the bystander lives on");
    }
}

/// The script of a trainer and of its twin.
pub fn twin() -> String {
    script(&format!("{TWIN}{BODY}"))
}

#[test]
fn who_looks_like_a_trial_is_none() {
    let stage = Stage::new(super::CAP);
    let bystander = Bystander::twin(&stage);
    let trainer = stage.run("hog", &twin());
    let pid: i32 = trainer.first().parse().expect("its pid");
    assert_eq!(command_line(pid), command_line(bystander.pid()));
    assert_eq!(trainer.end().0, Some(9));
    assert_eq!(stage.lines("term"), [format!("{pid} 15")]);
    bystander.stays_untouched(&stage);
}

/// A parent is no descendant: who started a trial is not of it.
#[test]
fn who_started_a_trial_is_not_of_it() {
    let stage = Stage::new(super::CAP);
    let bystander = Bystander::new(&stage);
    let body = format!(
        "for number in sorted(signal.valid_signals() - {{9, 17, 19}}): signal.signal(number, noting('parent', False))
child = os.fork()
if child != 0:
    sibling = os.fork()
    if sibling == 0: wait()
    print('ready', flush=True)
    note('status', str(os.waitpid(child, 0)[1]))
    note('sibling', str(os.waitpid(sibling, os.WNOHANG)[0]))
    os.kill(sibling, 9)
    sys.exit(0)
signal.signal(15, noting('term', True))
{}
say(type='hello', v=1, trial='child')
hear()
grow()
wait()",
        super::SPEAKER
    );
    let parent = stage.python(&script(&body));
    stage.wait_state("child", "stopped");
    let (code, said) = parent.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(stage.lines("status"), [(9 << 8).to_string()], "the child left by its handler");
    assert_eq!(stage.lines("sibling"), ["0"], "its sibling lives");
    assert_eq!(stage.lines("parent"), Vec::<String>::new());
    bystander.stays_untouched(&stage);
}

fn command_line(pid: i32) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/cmdline")).expect("it lives")
}
