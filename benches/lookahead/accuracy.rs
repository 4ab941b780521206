//! How well ends are foreseen, and at what cost.

use std::time::Instant;

use earlystop::model::{Mode, PredictionDialect, RunId};
use earlystop::stopper::{Case, Curve, CurveFit, End, Evidence, Field, Peer, Prediction, Sight, Stopper, Verdict};

use super::Draw;
use super::corpus::{Corpus, Trial};

/// Random splits into trials that are learned from and trials that are foretold.
const SPLITS: u64 = 20;

/// How forecasts of kind `curve` come out: the share of trials whose end lies below a quantile of what was forecast.
pub fn calibration(corpora: &[Corpus]) {
    println!("| corpus | known | below 5 % | 50 % | 95 % | median error | of the last value | ms |");
    for corpus in corpora {
        for share in [0.2, 0.3, 0.5, 0.7, 0.9] {
            let (mut places, mut errors, mut stays) = (Vec::new(), Vec::new(), Vec::new());
            let begun = Instant::now();
            for Trial { values, .. } in &corpus.trials {
                let known = (share * values.len() as f64).round() as usize;
                let mut curve = Curve::default();
                values[..known].iter().enumerate().for_each(|(i, v)| _ = curve.push(i as f64 + 1.0, *v));
                let Some(forecast) = CurveFit::forecast(&curve, values.len() as f64) else { continue };
                let came = values[values.len() - 1];
                places.push(1.0 - forecast.above(came));
                errors.push((forecast.mean - came).abs());
                stays.push((values[known - 1] - came).abs());
            }
            let count = places.len() as f64;
            let below = |level: f64| places.iter().filter(|place| **place < level).count() as f64 / count;
            let ms = begun.elapsed().as_secs_f64() * 1e3 / count;
            let (low, middle, high) = (below(0.05), below(0.5), below(0.95));
            let (error, stay) = (median(errors), median(stays));
            let name = corpus.name;
            println!("| {name} | {share} | {low:.3} | {middle:.3} | {high:.3} | {error:.4} | {stay:.4} | {ms:.2} |");
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A field of complete trials, and those that are to be foretold at a step.
struct Scene<'c> {
    corpus: &'c Corpus,
    field: Field,
    next: u128,
}

impl Scene<'_> {
    fn new<'c>(corpus: &'c Corpus, complete: &[usize]) -> Scene<'c> {
        let mut scene = Scene { corpus, field: Field::default(), next: 0 };
        for index in complete {
            let run = scene.enter(&corpus.trials[*index], corpus.length());
            scene.field.end(run, End::Complete);
        }
        scene
    }

    fn enter(&mut self, trial: &Trial, known: usize) -> RunId {
        let run = RunId(self.next);
        self.next += 1;
        let peer = Peer { name: self.next.to_string().into(), params: trial.params.clone(), ..Peer::default() };
        self.field.enter(run, peer);
        for (name, value) in &trial.system {
            self.field.report_beside(run, name, 1.0, *value);
        }
        trial.values[..known].iter().enumerate().for_each(|(i, v)| self.field.report(run, i as f64 + 1.0, *v));
        run
    }

    /// What a rule says of a trial of which so much is known, higher is better; and how long it took, in seconds.
    fn ask(&mut self, stopper: &dyn Stopper, trial: &Trial, known: usize) -> (Option<Evidence>, f64) {
        let run = self.enter(trial, known);
        let (at, max) = (known as f64, Some(self.corpus.length() as f64));
        let unit = self.field.unit(run).expect("entered");
        let mut case = Case {
            field: &mut self.field,
            run,
            unit,
            at,
            before: None,
            max,
            grace: Some(at),
            min_peers: None,
            mode: Mode::Max,
        };
        let begun = Instant::now();
        let verdict = stopper.decide(&mut case);
        let seconds = begun.elapsed().as_secs_f64();
        self.field.end(run, End::Cut);
        match verdict {
            Verdict::Stop(evidence) | Verdict::Continue(evidence) => (Some(evidence), seconds),
            Verdict::NotDue | Verdict::Unknown(_) => (None, seconds),
        }
    }
}

/// R squared and Spearman's rank correlation, means over the splits. Ends are clipped at the worst quarter's bound less three
/// times the distance of that from the best: one that diverged would be all that R squared sees.
fn foretell(corpus: &Corpus, learn: usize, share: f64, dialect: PredictionDialect, sight: Sight) -> (f64, f64) {
    let known = (share * corpus.length() as f64).round() as usize;
    let last = |trial: &Trial| trial.values[trial.values.len() - 1];
    let mut ends: Vec<f64> = corpus.trials.iter().map(last).collect();
    ends.sort_by(f64::total_cmp);
    let (quarter, best) = (ends[ends.len() / 4], ends[ends.len() - 1]);
    let clip = |value: f64| value.clamp(quarter - 3.0 * (best - quarter), best + (best - quarter));
    let (mut squared, mut ranks) = (0.0, 0.0);
    for split in 0..SPLITS {
        let order = Draw(split * 31 + 5).sample(corpus.trials.len(), learn + 100);
        let (complete, rest) = order.split_at(learn);
        let rule = Prediction::new(0.95, learn as u32, dialect, sight);
        let mut scene = Scene::new(corpus, complete);
        let pairs: Vec<(f64, f64)> = rest
            .iter()
            .filter_map(|index| {
                let trial = &corpus.trials[*index];
                Some((clip(scene.ask(&rule, trial, known).0?.own), clip(last(trial))))
            })
            .collect();
        squared += r_squared(&pairs) / SPLITS as f64;
        let ranked: Vec<(f64, f64)> = rank(&pairs, |p| p.0).into_iter().zip(rank(&pairs, |p| p.1)).collect();
        ranks += correlation(&ranked) / SPLITS as f64;
    }
    (squared, ranks)
}

fn r_squared(pairs: &[(f64, f64)]) -> f64 {
    let mean = pairs.iter().map(|p| p.1).sum::<f64>() / pairs.len() as f64;
    let misses: f64 = pairs.iter().map(|p| (p.1 - p.0).powi(2)).sum();
    1.0 - misses / pairs.iter().map(|p| (p.1 - mean).powi(2)).sum::<f64>()
}

fn rank(pairs: &[(f64, f64)], of: impl Fn(&(f64, f64)) -> f64) -> Vec<f64> {
    let values: Vec<f64> = pairs.iter().map(of).collect();
    let below = |v: f64| {
        values.iter().filter(|o| **o < v).count() as f64 + 0.5 * values.iter().filter(|o| **o == v).count() as f64
    };
    values.iter().map(|v| below(*v)).collect()
}

fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let count = pairs.len() as f64;
    let (a, b) = (pairs.iter().map(|p| p.0).sum::<f64>() / count, pairs.iter().map(|p| p.1).sum::<f64>() / count);
    let product = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>();
    let both = product(&|p| (p.0 - a) * (p.1 - b));
    let correlation = both / (product(&|p| (p.0 - a).powi(2)) * product(&|p| (p.1 - b).powi(2))).sqrt();
    // The same is foretold of all: that ranks nobody.
    if correlation.is_nan() { 0.0 } else { correlation }
}

const DIALECTS: [PredictionDialect; 2] = PredictionDialect::ALL;

/// The regressions beside each other.
pub fn table(corpora: &[Corpus]) {
    println!("| corpus | learned from | known | ridge | nu-SVR | ridge, curve alone | nu-SVR, curve alone |");
    for corpus in corpora {
        for learn in [10, 20, 40, 100] {
            for share in [0.2, 0.5] {
                print!("| {} | {learn} | {share} |", corpus.name);
                for (sight, dialect) in [Sight::Parameters, Sight::Curve].iter().flat_map(|s| DIALECTS.map(|d| (*s, d)))
                {
                    let (squared, ranks) = foretell(corpus, learn, share, dialect, sight);
                    print!(" {squared:.3} / {ranks:.3} |");
                }
                println!();
            }
        }
    }
}

/// What early system metrics add.
pub fn sights(corpus: &Corpus) {
    println!("{} trials", corpus.trials.len());
    println!("| learned from | known | dialect | curve | + system | + parameters | + both |");
    for learn in [20, 50, 100] {
        for (share, dialect) in [0.2, 0.5].iter().flat_map(|share| DIALECTS.map(|d| (*share, d))) {
            print!("| {learn} | {share} | {} |", dialect.as_str());
            for sight in [Sight::Curve, Sight::System, Sight::Parameters, Sight::All] {
                let (squared, ranks) = foretell(corpus, learn, share, dialect, sight);
                print!(" {squared:.3} / {ranks:.3} |");
            }
            println!();
        }
    }
}

/// What a decision costs with so many complete trials of 50 values, 25 of its own known: the first at a place, and the next.
pub fn cost() {
    println!("| complete trials | rule | first decision, ms | next, ms |");
    for complete in [100, 1000] {
        let corpus = Corpus::made_up(complete + 1, 50);
        let all: Vec<usize> = (0..complete).collect();
        let prediction = |dialect| Box::new(Prediction::new(0.95, 10, dialect, Sight::All)) as Box<dyn Stopper>;
        let rules: [(&str, Box<dyn Stopper>); 3] = [
            ("curve", Box::new(CurveFit::new(0.05))),
            ("prediction, ridge", prediction(PredictionDialect::Ridge)),
            ("prediction, nu-svr", prediction(PredictionDialect::NuSvr)),
        ];
        for (name, rule) in rules {
            let mut scene = Scene::new(&corpus, &all);
            let mut ask = || scene.ask(&*rule, &corpus.trials[complete], 25).1 * 1e3;
            let (first, next) = (ask(), median((0..11).map(|_| ask()).collect()));
            println!("| {complete} | {name} | {first:.2} | {next:.2} |");
        }
    }
}
