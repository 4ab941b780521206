//! The first screen: how much there is to do, how long it takes, and how to make it less.

use super::Arguments;
use super::estimate::{self, Estimate};
use super::step::Step;
use crate::policies::LIVE;
use crate::progress::duration;
use crate::sets::Shape;

/// A search that takes longer than this is told how to be shorter.
const LONG: f64 = 3600.0;

/// Prints it.
pub fn tell(arguments: &Arguments, shapes: &[Shape], searches: &[Estimate], steps: &[Step], jobs: f64) {
    let out = arguments.out.display();
    println!("All of it goes to {out}. If it is cut off, run it again with the same --out: it goes on.\n");
    println!("{:<32} {:>14} {:>7} {:>10} {:>12}", "set", "configurations", "trials", "steps", "search");
    for (shape, of) in shapes.iter().zip(searches) {
        let took = duration(of.seconds / jobs);
        println!("{:<32} {:>14} {:>7} {:>10.2e} {took:>12}", shape.title, of.configurations, of.trials, of.steps);
    }
    let seconds: f64 = steps.iter().filter(|step| step.lacks.is_none()).map(|step| step.seconds).sum();
    let total = searches.iter().fold(Estimate::default(), |sum, one| sum.and(*one));
    // The search, its shares, and the live runs, each stopped somewhere.
    let rows: f64 = shapes.iter().map(estimate::rows_on_disk).sum();
    let bytes = rows + total.bytes() * (1.4 + LIVE.len() as f64);
    let free = rustix::fs::statvfs(&arguments.out).map(|disk| disk.f_bavail * disk.f_frsize);
    println!(
        "\n{} steps, {jobs} trials at a time: about {}, and about {} of disk{}. That is a rough guess.",
        steps.len(),
        duration(seconds),
        gib(bytes),
        free.as_ref().map(|free| format!(" ({} are free)", gib(*free as f64))).unwrap_or_default()
    );
    if free.is_ok_and(|free| bytes > free as f64) {
        println!("That is more than is free: make it less, or name another --out.");
    }
    let longest = shapes.iter().zip(searches).max_by(|a, b| a.1.seconds.total_cmp(&b.1.seconds));
    if let Some((shape, of)) = longest.filter(|_| seconds > LONG) {
        let others: Vec<&str> = shapes.iter().map(|one| one.set.as_str()).filter(|set| *set != shape.set).collect();
        let without =
            if others.is_empty() { String::new() } else { format!("--sets {} leaves it out, ", others.join(" ")) };
        println!(
            "{} takes most of it, {:.0} % of each search: {without}--configurations 20 searches 20 of its {}.",
            shape.set,
            100.0 * of.seconds / total.seconds,
            of.configurations
        );
    }
    println!();
}

fn gib(bytes: f64) -> String {
    if bytes < 1e9 { format!("{:.0} MiB", bytes / 1_048_576.0) } else { format!("{:.1} GiB", bytes / 1_073_741_824.0) }
}
