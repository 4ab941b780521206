//! The splits of a search: 70 % of the rows in ten folds, 30 % for the one test at the end.

use std::error::Error;
use std::fs;
use std::ops::Range;
use std::path::Path;

use super::plan::{FOLDS, Fold};
use super::share::Share;
use super::shared::{self, Head, Mapped};
use crate::data::Table;
use crate::model::Task;
use crate::split::{Split, shuffled};

/// Share of the rows that the search sees, in percent.
const SEEN_PERCENT: usize = 70;

/// What is known of a set once its folds lie on disk.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Its name.
    pub set: String,
    /// The name for people.
    pub title: String,
    /// What its targets are.
    pub task: Task,
    /// Rows to train on in the smallest fold.
    pub training: usize,
    /// The same without a share.
    pub whole: usize,
}

/// Writes the rows of all folds, each standardised by the rows it trains on; what an earlier run wrote stays. With a share,
/// so many of a fold's training rows are left, while the rows that judge it are the same as without.
pub fn prepare(table: &Table, seed: u64, share: Option<Share>, folder: &Path) -> Result<Prepared, Box<dyn Error>> {
    fs::create_dir_all(folder).map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))?;
    let order = shuffled(table.rows(), seed);
    let (seen, test) = order.split_at(order.len() * SEEN_PERCENT / 100);
    if seen.len() < 2 * FOLDS {
        return Err(format!("{}: {} rows are too few for ten folds", table.name, table.rows()).into());
    }
    let (mut training, mut whole) = (usize::MAX, usize::MAX);
    for fold in all() {
        let (train, held_out) = match fold {
            Fold::Without(fold) => {
                let out = tenth(seen.len(), fold);
                ([&seen[..out.start], &seen[out.end..]].concat(), &seen[out])
            }
            Fold::Whole => (seen.to_vec(), test),
        };
        whole = whole.min(train.len());
        let train = share.map_or(train.clone(), |share| share.of(&train, seed, fold));
        training = training.min(train.len());
        let classes = match table.task {
            Task::Regression => None,
            Task::Classes(classes) => Some(classes),
        };
        let (features, synthetic) = (table.features(), table.synthetic);
        let (set, train_rows) = (table.name.clone(), train.len());
        let head = Head { set, synthetic, classes, features, train: train_rows, held_out: held_out.len(), seed, share };
        let path = shared::path(folder, &table.name, &fold.name());
        if Mapped::open(&path).is_ok_and(|there| there.head == head) {
            continue;
        }
        let split = Split::of_rows(&table.data, &train, held_out);
        shared::write(&path, &head, &split).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    }
    Ok(Prepared { set: table.name.clone(), title: table.title(), task: table.task, training, whole })
}

/// Every fold, and the whole.
pub fn all() -> impl Iterator<Item = Fold> {
    (0..FOLDS).map(Fold::Without).chain([Fold::Whole])
}

/// Places of one of ten nearly equal parts.
fn tenth(count: usize, fold: usize) -> Range<usize> {
    fold * count / FOLDS..(fold + 1) * count / FOLDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::red_wine;

    #[test]
    fn each_row_is_held_out_once_and_test_rows_are_never_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let table = red_wine();
        let prepared = prepare(&table, 7, None, folder.path()).expect("the folder is ours");
        assert_eq!((prepared.training, prepared.whole, prepared.task), (1007, 1007, Task::Regression));
        let open = |fold: Fold| Mapped::open(&shared::path(folder.path(), "red_wine", &fold.name())).expect("written");
        let whole = open(Fold::Whole);
        assert_eq!((whole.head.train, whole.head.held_out), (1119, 480));
        let mut grades: Vec<f64> = Vec::new();
        for fold in 0..FOLDS {
            let fold = open(Fold::Without(fold));
            assert_eq!(fold.head.train + fold.head.held_out, 1119);
            grades.extend(fold.held_out(usize::MAX).y);
        }
        assert_eq!(grades, whole.train().y, "the folds in their order are the 70 %");
        let x = whole.train();
        let mean = |feature: usize| x.x.iter().skip(feature).step_by(11).sum::<f64>() / 1119.0;
        assert!((0..11).all(|feature| mean(feature).abs() < 1e-9), "standardised by its own training rows");
    }
    #[test]
    fn a_share_trains_on_fewer_rows_and_is_judged_by_the_same() {
        let (whole, part) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let table = red_wine();
        prepare(&table, 7, None, whole.path()).expect("the folder is ours");
        let share = "10%".parse().expect("a share");
        let prepared = prepare(&table, 7, Some(share), part.path()).expect("the folder is ours");
        assert_eq!((prepared.training, prepared.whole), (101, 1007));
        let mut means = Vec::new();
        for fold in all() {
            let open = |folder: &Path| Mapped::open(&shared::path(folder, "red_wine", &fold.name())).expect("written");
            let (all, some) = (open(whole.path()), open(part.path()));
            assert_eq!((some.head.share, all.head.share), (Some(share), None));
            assert_eq!(some.held_out(usize::MAX).y, all.held_out(usize::MAX).y);
            let x = some.train().x;
            means.push(x.iter().step_by(11).sum::<f64>());
        }
        assert!(means.iter().all(|mean| mean.abs() < 1e-9), "standardised by the rows that are left: {means:?}");
    }
}
