//! `earlystop run` on a terminal: who has it, Ctrl-C, Ctrl-Z, `fg`, `bg`, pipelines, loops.

use std::process::Command;

use crate::pty::{LONG, Pty};
use crate::run::{children, isolate, run, state};
use crate::support::{BIN, wait_for};

/// An interactive shell with job control, a prompt that can be found, and `$run` for `earlystop run`.
fn shell() -> Pty {
    let mut bash = Command::new("bash");
    isolate(&mut bash).args(["--norc", "--noprofile", "--noediting", "-i"]);
    let mut pty = Pty::spawn(bash.env("PS1", "prompt> ").env("TERM", "dumb").env("run", format!("{BIN} run")));
    pty.expect("prompt> ");
    pty
}

/// Says READY, then counts interrupts until a line comes.
const COUNTER: &str = "import signal, sys
n = 0
def count(*_):
    global n
    n += 1
    print('INT', n, flush=True)
signal.signal(signal.SIGINT, count)
print('REA' + 'DY', flush=True)
print('line', input(), n, flush=True)";

#[test]
fn a_command_can_ask_for_input() {
    let mut pty = Pty::spawn(&mut run(&["python3", "-c", "print('got', input('name? '))"]));
    pty.expect("name? ");
    pty.send("Ada\n");
    pty.expect("got Ada");
    assert_eq!(pty.wait().code(), Some(0));
}

#[test]
fn the_terminal_is_lent_and_given_back() {
    let mut pty = shell();
    let bash = pty.child.id() as i32;
    assert_eq!(pty.foreground(), bash);
    pty.send("$run -- python3 -c 'print(\"REA\" + \"DY\"); input()'\n");
    pty.expect("READY");
    let run = children(bash)[0];
    let command = children(run)[0];
    assert_eq!(pty.foreground(), command);
    pty.send("\n");
    pty.expect("prompt> ");
    wait_for("the shell has the terminal again", LONG, || (pty.foreground() == bash).then_some(()));
    pty.send("stty -a | grep -o ' echo '; exit 0\n");
    pty.expect(" echo \r\n");
    assert!(pty.wait().success());
}

#[test]
fn a_command_killed_without_echo_leaves_a_sane_terminal() {
    let mut pty = shell();
    pty.send("$run -- sh -c 'stty -echo; kill -9 $$'; echo code=$?; stty -a\n");
    pty.expect("code=137");
    pty.expect(" echo ");
}

#[test]
fn ctrl_c_reaches_the_command_once() {
    let mut pty = Pty::spawn(&mut run(&["python3", "-c", COUNTER]));
    pty.expect("READY");
    pty.send("\x03");
    pty.expect("INT 1");
    pty.send("\x03");
    pty.expect("INT 2");
    pty.send("go\n");
    pty.expect("line go 2");
    assert_eq!(pty.wait().code(), Some(0));
}

#[test]
fn ctrl_c_ends_a_loop_at_the_prompt() {
    let mut pty = shell();
    pty.send("for i in 1 2 3; do $run -- sh -c \"echo star''ted $i; exec sleep 1000\"; done; echo code=$?\n");
    pty.expect("started 1");
    pty.send("\x03");
    pty.expect("prompt> ");
    pty.send("echo code=$?\n");
    pty.expect("code=130");
    assert!(!pty.seen().contains("started 2"), "{}", pty.seen());
}

#[test]
fn ctrl_c_ends_a_script_around_it() {
    let mut pty = shell();
    pty.send(
        "bash -c 'for i in 1 2 3; do $run -- sh -c \"echo star\\\"\\\"ted $i; exec sleep 1000\"; done'; echo code=$?\n",
    );
    pty.expect("started 1");
    pty.send("\x03");
    pty.expect("prompt> ");
    assert!(!pty.seen().contains("started 2"), "{}", pty.seen());
}

#[test]
fn ctrl_z_and_fg() {
    let mut pty = shell();
    let bash = pty.child.id() as i32;
    pty.send("$run -- python3 -c \"$counter\"\n".replace("$counter", COUNTER).as_str());
    pty.expect("READY");
    let run = children(bash)[0];
    let command = children(run)[0];
    for _ in 0..3 {
        pty.send("\x1a");
        pty.expect("Stopped");
        pty.expect("prompt> ");
        assert_eq!((state(run), state(command)), (Some('T'), Some('T')));
        pty.send("fg\n");
        wait_for("the command has the terminal", LONG, || (pty.foreground() == command).then_some(()));
        pty.send("\x03");
        pty.expect("INT ");
    }
    pty.send("done\n");
    pty.expect("line done 3");
    pty.expect("prompt> ");
}

#[test]
fn ctrl_z_bg_and_fg_again() {
    let mut pty = shell();
    let bash = pty.child.id() as i32;
    pty.send("$run -- sh -c 'echo REA\"\"DY; exec sleep 1000'\n");
    pty.expect("READY");
    let run = children(bash)[0];
    let command = children(run)[0];
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.expect("prompt> ");
    pty.send("bg\n");
    pty.expect("prompt> ");
    wait_for("both run again", LONG, || (state(run) != Some('T') && state(command) != Some('T')).then_some(()));
    assert_eq!(pty.foreground(), bash);
    // A shell does not send SIGCONT to a job that runs: Ctrl-C then reaches `run`, which passes it on.
    pty.send("fg\n");
    wait_for("the shell lets go of the terminal", LONG, || (pty.foreground() != bash).then_some(()));
    pty.send("\x03");
    pty.expect("prompt> ");
    assert_eq!(state(run), None);
}

#[test]
fn a_background_command_that_reads_is_a_stopped_job_and_fg_helps() {
    let mut pty = shell();
    pty.send("$run -- python3 -c 'print(\"got\", input())' &\n");
    pty.expect("prompt> ");
    let bash = pty.child.id() as i32;
    let run = wait_for("run starts", LONG, || children(bash).first().copied());
    wait_for("the job is stopped", LONG, || (state(run) == Some('T')).then_some(()));
    // The shell learns of it by a signal of its own.
    wait_for("the shell knows", LONG, || {
        pty.send("jobs\n");
        pty.expect("prompt> ").contains("Stopped").then_some(())
    });
    pty.send("fg\nAda\n");
    pty.expect("got Ada");
    pty.expect("prompt> ");
}

#[test]
fn others_of_a_pipeline_keep_the_terminal_until_the_command_asks() {
    let mut pty = shell();
    // `stty sane` on the other side of the pipe needs the terminal, as a pager does.
    pty.send("$run -- sh -c 'echo one; sleep 0.2; echo two' | (stty sane </dev/tty; cat); echo over\n");
    pty.expect("one\r\ntwo\r\nover");
    pty.send("$run -- python3 -c 'print(\"got\", input())' | cat; echo over\n");
    pty.send("Ada\n");
    pty.expect("got Ada\r\nover");
}

#[test]
fn ctrl_z_means_nothing_where_no_shell_could_continue() {
    // `run` leads the session: its group is orphaned, and the kernel would not stop such a program.
    let mut pty = Pty::spawn(&mut run(&["python3", "-c", COUNTER]));
    pty.expect("READY");
    pty.send("\x1a");
    pty.send("still here\n");
    pty.expect("line still here 0");
    assert_eq!(pty.wait().code(), Some(0));
}
