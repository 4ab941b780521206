//! The rule `auto` on the public corpora of learning curves, over a few permutations; `benches/auto.rs` has the whole table.

use earlystop::model::StopperKind;
use earlystop::stopper;

use crate::support::shared;

#[path = "../../benches/corpora/mod.rs"]
mod corpora;

use corpora::{Means, Rule, SAMPLE, corpora, permute};

const PERMUTATIONS: usize = 60;

/// Corpus, least mean speed-up, least share of permutations in which the best is kept. Over 1,000 permutations it comes to
/// 4.75x and 0.999, 2.21x and 0.958, 2.21x and 0.991.
const BOUNDS: [(&str, f64, f64); 3] =
    [("metaqnn_cifar10", 4.2, 0.96), ("deep_resnets_cifar10", 2.0, 0.87), ("lstm_ptb", 1.9, 0.94)];

#[test]
fn it_saves_more_than_half_and_keeps_the_best() {
    let Some(folder) = shared("curves") else { return };
    let all = corpora(&folder).expect("all three corpora");
    let rule = Rule { stopper: stopper::of(&StopperKind::Auto).expect("it has a row"), grace: None, workers: 1 };
    let mut speedups = 0.0;
    for (corpus, (name, speedup, kept)) in all.iter().zip(BOUNDS) {
        assert_eq!(corpus.name, name);
        let means = Means::of(&permute(corpus, &rule, PERMUTATIONS, SAMPLE, 1, 4));
        assert!(means.speedup >= speedup && means.kept >= kept && means.regret <= 0.001, "{name}: {means:?}");
        speedups += means.speedup;
    }
    assert!(speedups / 3.0 >= 2.3, "{speedups}");
}

#[test]
fn trials_side_by_side_are_judged_as_well() {
    let Some(folder) = shared("curves") else { return };
    let all = corpora(&folder).expect("all three corpora");
    let rule = Rule { stopper: stopper::of(&StopperKind::Auto).expect("it has a row"), grace: None, workers: 4 };
    let means = Means::of(&permute(&all[0], &rule, PERMUTATIONS / 2, SAMPLE, 1, 4));
    assert!(means.speedup >= 3.8 && means.kept >= 0.96, "{means:?}");
}
