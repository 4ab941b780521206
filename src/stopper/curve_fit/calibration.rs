//! Figures for the docs: how forecasts on the public corpora come out. `CURVES=../shared/curves cargo test --release --lib
//! calibration -- --ignored --nocapture`.

use std::io::Read;
use std::time::Instant;

use super::look_ahead;
use crate::stopper::Curve;

/// The corpora's curves, turned so that higher is better; empty where they are not there.
fn corpus(name: &str, prefix: &str, sign: f64) -> Vec<Vec<f64>> {
    let folder = std::env::var("CURVES").unwrap_or("../shared/curves".into());
    let Ok(file) = std::fs::File::open(format!("{folder}/{name}.csv.gz")) else { return Vec::new() };
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
    let step = |column: &&str| column.strip_prefix(prefix).is_some_and(|n| n.parse().is_ok_and(|n: u32| n > 0));
    let steps = text.lines().next().map_or(0, |head| head.split(',').filter(step).count());
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        cells[cells.len() - steps..].iter().map(|cell| sign * cell.parse().unwrap_or(f64::NAN)).collect()
    };
    text.lines().skip(1).map(row).collect()
}

#[test]
#[ignore = "prints figures for the docs"]
fn calibration_on_the_public_corpora() {
    println!("| corpus | known | < 5 % | < 50 % | < 95 % | median error | of the last value | ms |");
    for (name, prefix, sign) in
        [("metaqnn_cifar10", "acc_", 1.0), ("deep_resnets_cifar10", "acc_", 1.0), ("lstm_ptb", "ep_", -1.0)]
    {
        let curves = corpus(name, prefix, sign);
        for share in [0.2, 0.3, 0.5, 0.7, 0.9] {
            let (mut places, mut errors, mut stays) = (Vec::new(), Vec::new(), Vec::new());
            let begun = Instant::now();
            for values in &curves {
                let known = (share * values.len() as f64).round() as usize;
                let mut curve = Curve::default();
                values[..known].iter().enumerate().for_each(|(i, v)| _ = curve.push(i as f64 + 1.0, *v));
                let Some(forecast) = look_ahead(curve.points(), values.len() as f64) else { continue };
                let came = values[values.len() - 1];
                places.push(1.0 - forecast.above(came));
                errors.push((forecast.mean - came).abs());
                stays.push((values[known - 1] - came).abs());
            }
            let count = places.len() as f64;
            let below = |level: f64| places.iter().filter(|place| **place < level).count() as f64 / count;
            let median = |mut errors: Vec<f64>| {
                errors.sort_by(f64::total_cmp);
                errors.get(errors.len() / 2).copied().unwrap_or(f64::NAN)
            };
            let ms = begun.elapsed().as_secs_f64() * 1e3 / count;
            println!(
                "| {name} | {share} | {:.3} | {:.3} | {:.3} | {:.4} | {:.4} | {ms:.2} |",
                below(0.05),
                below(0.5),
                below(0.95),
                median(errors),
                median(stays)
            );
        }
    }
}
