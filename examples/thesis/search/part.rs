//! The part of a grid that is tried: configurations drawn by the seed, and batches that a share of the rows still fills.

use std::collections::HashSet;

use super::folds::Prepared;
use super::plan::{self, Configuration};
use super::share::Share;
use crate::split::shuffled;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Only so many configurations.
    pub configurations: Option<u32>,
    /// Drawn by this.
    pub seed: u64,
    /// Trained on so many of the rows.
    pub share: Option<Share>,
}

impl Part {
    /// The configurations of a set that are tried, in the grid's order, and what a person has to know of them. They are
    /// drawn from the grid of all rows, whatever the share: so each configuration of a share is one of the full search too.
    pub fn of(&self, set: &Prepared) -> (Vec<Configuration>, Vec<String>) {
        let grid = plan::grid(&set.set, set.task, set.whole);
        let (all, mut said) = (grid.len(), Vec::new());
        let drawn = self.drawn(grid);
        if self.configurations.is_some() {
            said.push(format!("{}: {} of {all} configurations", set.set, drawn.len()));
        }
        let (fitting, too_large): (Vec<_>, Vec<_>) = drawn.into_iter().partition(|one| one.batch_size <= set.training);
        if let Some(share) = self.share {
            let mut line = format!("{}: {} of the training rows, {} a fold", set.title, share.percent(), set.training);
            let mut sizes: Vec<usize> = too_large.iter().map(|one| one.batch_size).collect();
            sizes.sort_unstable();
            sizes.dedup();
            let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
            if !sizes.is_empty() {
                let count = too_large.len();
                line += &format!("; they fill no batch of {}: {count} configurations are left out", sizes.join(", "));
            }
            said.push(line);
        }
        (fitting, said)
    }

    fn drawn(&self, grid: Vec<Configuration>) -> Vec<Configuration> {
        let Some(count) = self.configurations else { return grid };
        let drawn: HashSet<usize> = shuffled(grid.len(), self.seed).into_iter().take(count as usize).collect();
        grid.into_iter().enumerate().filter(|(place, _)| drawn.contains(place)).map(|(_, one)| one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Task;

    fn wine(training: usize) -> Prepared {
        let (set, title) = ("red_wine".to_string(), "red_wine".to_string());
        Prepared { set, title, task: Task::Regression, training, whole: 1007 }
    }

    #[test]
    fn a_share_tries_what_the_whole_tries_as_far_as_it_fits() {
        let whole = Part { configurations: Some(40), seed: 42, share: None };
        let (all, said) = whole.of(&wine(1007));
        assert_eq!((all.len(), said), (40, vec!["red_wine: 40 of 180 configurations".to_string()]));
        let share = Part { share: Some("10%".parse().expect("a share")), ..whole };
        let (some, said) = share.of(&wine(101));
        assert_eq!(some, all.into_iter().filter(|one| one.batch_size <= 101).collect::<Vec<_>>());
        let left_out = 40 - some.len();
        let end = format!("101 a fold; they fill no batch of 128, 256, 512: {left_out} configurations are left out");
        assert!(said.len() == 2 && said[1].ends_with(&end), "{said:?}");
    }

    #[test]
    fn nothing_is_said_of_a_whole_grid() {
        let part = Part { configurations: None, seed: 1, share: None };
        let (grid, said) = part.of(&wine(1007));
        assert_eq!((grid.len(), said.len()), (180, 0));
    }
}
