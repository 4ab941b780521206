//! One tick into the store: the rows of the table, read as the exposition reads them.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::store::{Owner, Store};
use crate::export::own::{self, Scrape, TICK_BUCKETS};
use crate::export::text::current;
use crate::model::{Snapshot, TrialView};
use crate::state::table::{DAEMON_METRICS, DaemonRow, Kind, MetricRow, TRIAL_METRICS, trial_metric};

/// `le` of [`TICK_BUCKETS`] and of the last bucket, as Prometheus 3 stores them.
static TICK_LE: [&str; TICK_BUCKETS.len() + 1] = [
    "1e-05", "2.5e-05", "5e-05", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05",
    "0.1", "0.25", "0.5", "1.0", "2.5", "+Inf",
];

/// The rows that the history keeps: all but those of single processes; of a histogram its parts.
static KEPT: LazyLock<Vec<&MetricRow>> = LazyLock::new(|| {
    let parts = |row: &'static MetricRow| match row.kind {
        Kind::Histogram => {
            ["_bucket", "_sum", "_count"].iter().filter_map(|part| trial_metric(&[row.name, part].concat())).collect()
        }
        _ => vec![row],
    };
    TRIAL_METRICS.iter().filter(|row| !row.is_per_process()).flat_map(parts).collect()
});

/// Appends what a scrape would read now. Nothing where the tick is not after the one before.
pub(super) fn take(store: &mut Store, scrape: &Scrape) {
    let snapshot = scrape.snapshot;
    let Some(tick) = snapshot.last_tick else { return };
    if !store.begin(tick.wall_ms) {
        return;
    }
    for view in current(&snapshot.trials) {
        let owner = Some((view.experiment.clone(), view.trial.clone()));
        for row in KEPT.iter() {
            row.each(view, snapshot.at, &mut |labels, value| store.put(&owner, row.name, labels, value));
        }
    }
    for row in DAEMON_METRICS {
        match row.kind {
            Kind::Histogram => tick_times(row, scrape, store),
            _ => own::read(row.name, scrape, &mut |labels, value| store.put(&None, row.name, labels, value)),
        }
    }
    store.end();
}

fn tick_times(row: &DaemonRow, scrape: &Scrape, store: &mut Store) {
    const OWNER: &Owner = &None;
    let ticks = scrape.own.ticks();
    let times = ticks.buckets();
    let name = [row.name, "_bucket"].concat();
    let mut upto = 0;
    for (le, n) in TICK_LE.iter().zip(times.counts) {
        upto += n;
        store.put(OWNER, &name, &[("le", le)], upto as f64);
    }
    store.put(OWNER, &[row.name, "_sum"].concat(), &[], times.sum);
    store.put(OWNER, &[row.name, "_count"].concat(), &[], upto as f64);
}

/// The trials whose processes have series of their own, the last with as many of them as there is room for.
pub(super) fn with_processes(snapshot: &Snapshot) -> Vec<Cow<'_, TrialView>> {
    let mut left = snapshot.process_series;
    let mut found = Vec::new();
    for view in current(&snapshot.trials) {
        let members = own::members(view);
        match members <= left {
            true => found.push(Cow::Borrowed(view)),
            false => {
                let mut first = view.clone();
                if let Some(tree) = &mut first.tree {
                    tree.members = tree.members[..left].into();
                }
                found.push(Cow::Owned(first));
                break;
            }
        }
        left -= members;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_have_their_labels() {
        for (le, bound) in TICK_LE.iter().zip(TICK_BUCKETS) {
            assert_eq!(le.parse::<f64>(), Ok(bound));
        }
        assert!(KEPT.iter().any(|row| row.name == "trial_step_duration_seconds_bucket"));
        assert!(KEPT.iter().all(|row| !row.name.starts_with("trial_process_") && row.kind != Kind::Histogram));
    }
}
