//! Ranks of policies over data sets.

use super::super::page::{Cell, Section, Table};
use super::super::plot::critical;
use super::found::Ranks;

/// The section.
pub fn section(ranks: Option<&Ranks>) -> Section {
    let title = "Ranks of policies over data sets".to_string();
    let Some(ranks) = ranks else {
        let answer = "There is nothing to rank: ranks need at least two data sets.".into();
        return Section { title, answer, ..Section::default() };
    };
    let words = vec![
        "On each data set policies are ranked by the share of the CPU that they take (1 is best); one that loses more than 0.1 % of \
         the best score has failed and counts with the full cost. Friedman's test asks whether all are alike; Nemenyi's and \
         Bonferroni's critical differences say how far apart two mean ranks must be, at 0.05, to be told apart."
            .to_string(),
        ranks.remark.clone(),
    ];
    let (name, apart) = match ranks.nemenyi {
        Some(apart) => ("Nemenyi", apart),
        None => ("Bonferroni", ranks.bonferroni),
    };
    let plot = format!("Mean ranks over {} data sets, and {name}'s critical difference", ranks.blocks);
    Section {
        title,
        answer: answer(ranks, apart),
        words,
        plots: vec![critical(&plot, &ranks.treatments, &ranks.mean, apart)],
        tables: vec![means(ranks), tests(ranks)],
        ..Section::default()
    }
}

fn answer(ranks: &Ranks, apart: f64) -> String {
    let mut order: Vec<(&str, f64)> =
        ranks.treatments.iter().map(String::as_str).zip(ranks.mean.iter().copied()).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let Some(((best, rank), worst)) = order.first().zip(order.last()) else { return String::new() };
    let differ = order.iter().filter(|one| one.1 - rank > apart).count();
    // Pairs are looked at only where the test of all together rejects.
    let rejected = ranks.p_ties.is_some_and(|p| p <= 0.05);
    let told = match (rejected, differ) {
        (true, 1..) => format!("and {differ} of the others are worse by more than chance"),
        (true, 0) if worst.1 - rank > 0.0 => "but none of the others is worse by more than chance".to_string(),
        _ => "but no two policies can be told apart".to_string(),
    };
    format!(
        "{best} has the best mean rank ({rank:.2}) of {} policies over {} data sets, {told}.",
        order.len(),
        ranks.blocks
    )
}

fn means(ranks: &Ranks) -> Table {
    let mut order: Vec<(&String, f64)> = ranks.treatments.iter().zip(ranks.mean.iter().copied()).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let rows = order.into_iter().map(|(name, rank)| vec![Cell::text(name), Cell::number(Some(rank))]).collect();
    Table { name: "ranks", caption: "Mean ranks.".into(), head: vec!["policy", "mean rank"], rows, shown: 40 }
}

fn tests(ranks: &Ranks) -> Table {
    let row =
        |name: &str, value: Option<f64>, p: Option<f64>| vec![Cell::text(name), Cell::number(value), Cell::number(p)];
    let rows = vec![
        row("Friedman, chi squared", ranks.chi2, ranks.p),
        row("Friedman, corrected for ties", ranks.chi2_ties, ranks.p_ties),
        row("Iman and Davenport, F", ranks.f, ranks.p_f),
        row("Nemenyi, critical difference at 0.05", ranks.nemenyi, None),
        row("Bonferroni, critical difference at 0.05", Some(ranks.bonferroni), None),
    ];
    let caption = format!("Tests over {} data sets and {} policies.", ranks.blocks, ranks.treatments.len());
    Table { name: "ranks_tests", caption, head: vec!["test", "value", "p"], rows, shown: 40 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(nemenyi: Option<f64>) -> Ranks {
        let treatments = ["a", "b", "c", "d"].map(String::from).into();
        let mean = vec![2.416667, 2.5, 1.166667, 3.916667];
        let [chi2, p, chi2_ties, p_ties, p_f] = [Some(13.65), Some(0.0034), Some(14.12), Some(0.0027), None];
        Ranks {
            blocks: 6,
            treatments,
            mean,
            chi2,
            p,
            chi2_ties,
            p_ties,
            f: None,
            p_f,
            nemenyi,
            bonferroni: 1.97,
            remark: "r".into(),
        }
    }

    #[test]
    fn the_best_is_named_and_what_cannot_be_said_is_not() {
        let told = section(Some(&ranks(Some(1.914820))));
        assert!(
            told.answer.starts_with("c has the best mean rank (1.17) of 4 policies over 6 data sets, and 1 of"),
            "{}",
            told.answer
        );
        assert!(told.plots[0].contains("critical difference 1.915"));
        let untold = section(Some(&ranks(Some(9.0))));
        assert!(untold.answer.contains("but none of the others is worse"), "{}", untold.answer);
        let chance = section(Some(&Ranks { p_ties: Some(0.09), ..ranks(Some(1.914820)) }));
        assert!(chance.answer.contains("no two policies can be told apart"), "{}", chance.answer);
        assert!(section(Some(&ranks(None))).plots[0].contains("Bonferroni"));
        assert!(section(None).answer.contains("at least two data sets"));
    }
}
