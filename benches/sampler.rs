//! What a tick costs: `cargo bench --bench sampler -- ROOT_PID TICKS INTERVAL_MS` watches one tree and prints CPU per
//! process and tick of this whole program. Put it beside another sampler in the same minute and compare ratios.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use earlystop::model::{Counters, Event, Root, TreeSample};
use earlystop::source::sampler::{Sampler, SamplerConfig};
use earlystop::sys::clock;
use earlystop::sys::process::Proc;
use earlystop::sys::roster::Roster;
use earlystop::sys::{limits, random};

fn main() {
    let words: Vec<u64> = std::env::args().skip(1).filter_map(|w| w.parse().ok()).collect();
    let [pid, ticks, interval_ms] = words[..] else {
        eprintln!("usage: sampler ROOT_PID TICKS INTERVAL_MS");
        return;
    };
    limits::raise_open_files().expect("raising to the hard limit is always allowed");
    let interval = Duration::from_millis(interval_ms);
    let roster = Roster::new();
    let root = roster.insert(&Proc::open(pid as u32).expect("a living root"));
    let (tell, told) = channel();
    let config = SamplerConfig { interval, ..SamplerConfig::default() };
    let hear = Box::new(move |_, event| drop(tell.send(event)));
    let sampler = Sampler::start(config, roster, Arc::new(Counters::default()), hear).expect("a thread");
    sampler.track(random::run_id(), Root { key: root.key, subreaper: None }, 0);
    let next = || loop {
        if let Event::Tick(tick) = told.recv().expect("the sampler lives") {
            break tick;
        }
    };
    // The first passes open files and read everything once.
    let mut last: Option<TreeSample> = None;
    for _ in 0..3 {
        last = next().trees.pop();
    }
    let before = clock::cpu_ns(std::process::id()).expect("we live");
    let mut took = Vec::new();
    for _ in 0..ticks {
        let mut tick = next();
        took.push(tick.took_ns);
        last = tick.trees.pop();
    }
    let cpu = clock::cpu_ns(std::process::id()).expect("we live") - before;
    took.sort_unstable();
    let tree = last.expect("the tree is tracked");
    let n = f64::from(tree.processes);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rss = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("?").trim().to_string();
    println!(
        "processes {n} complete {} cpu_ns {:.0} tick_wall_ms {:.1} rss {rss} memory {:?}",
        tree.complete,
        cpu as f64 / ticks as f64 / n,
        took[took.len() / 2] as f64 / 1e6,
        tree.memory,
    );
}
