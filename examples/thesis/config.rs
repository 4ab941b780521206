//! What a trial is told: its hyperparameters, and what goes wrong in it.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};

/// A fault as trainers have them in life, planted on purpose in two trials of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// Keeps the predictions of every validation in a list "for a plot later".
    Leak,
    /// Half way through it waits for its next batch on standard input, where nobody writes.
    Hang,
}

impl Fault {
    /// The name on the command line and in the trial's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::Leak => "leak",
            Fault::Hang => "hang",
        }
    }
}

/// One configuration.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Config {
    /// Rows a step.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: u32,
    /// Learning rate, the same at every update.
    #[arg(long)]
    pub learning_rate: f64,
    /// Strength of the L2 penalty.
    #[arg(long)]
    pub alpha: f64,
    /// Passes over the training rows.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: u32,
    /// Plant a fault.
    #[arg(long)]
    pub fault: Option<Fault>,
}

impl Config {
    /// The trial's name: `b32-lr0.01-a0.0001`, with the fault in front if there is one.
    pub fn name(&self) -> String {
        let fault = self.fault.map(|fault| format!("{}-", fault.as_str())).unwrap_or_default();
        format!("{fault}b{}-lr{}-a{}", self.batch_size, self.learning_rate, self.alpha)
    }

    /// The hyperparameters as a heartbeat carries them.
    pub fn params(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("batch_size".into(), self.batch_size.to_string()),
            ("learning_rate".into(), self.learning_rate.to_string()),
            ("alpha".into(), self.alpha.to_string()),
        ])
    }

    /// Free labels: what is trained, on what, and the fault, if one is planted.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut labels =
            BTreeMap::from([("algorithm".into(), "linear_regression".into()), ("dataset".into(), "red_wine".into())]);
        if let Some(fault) = self.fault {
            labels.insert("fault".into(), fault.as_str().into());
        }
        labels
    }

    /// The command line that gives this configuration back.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("--batch-size={}", self.batch_size),
            format!("--learning-rate={}", self.learning_rate),
            format!("--alpha={}", self.alpha),
            format!("--epochs={}", self.epochs),
        ];
        arguments.extend(self.fault.map(|fault| format!("--fault={}", fault.as_str())));
        arguments
    }
}

/// The grid: a trial of each fault, then every batch size with every learning rate and alpha.
pub fn grid(epochs: u32) -> Vec<Config> {
    // The faults begin first: the one that hangs uses no core, and so the others need not wait for it at the end. The
    // leak takes the biggest batch: it has the fewest validations, and would end at 150 MiB if nothing stopped it.
    let faulty = [(Fault::Hang, 32), (Fault::Leak, 256)];
    let with_fault =
        |(fault, batch_size)| Config { batch_size, learning_rate: 0.001, alpha: 0.0001, epochs, fault: Some(fault) };
    let mut grid: Vec<Config> = faulty.into_iter().map(with_fault).collect();
    for batch_size in [2, 32, 256] {
        for learning_rate in [0.1, 0.01, 0.001] {
            for alpha in [0.1, 0.0001] {
                grid.push(Config { batch_size, learning_rate, alpha, epochs, fault: None });
            }
        }
    }
    grid
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        config: Config,
    }

    #[test]
    fn a_configuration_survives_its_command_line() {
        for config in grid(7) {
            let arguments = std::iter::once("trial".to_string()).chain(config.arguments());
            assert_eq!(Command::try_parse_from(arguments).map(|c| c.config).ok(), Some(config));
        }
    }

    #[test]
    fn names_are_unique_and_legal() {
        let names: std::collections::BTreeSet<String> = grid(7).iter().map(Config::name).collect();
        assert_eq!(names.len(), 20);
        assert!(names.iter().all(|name| earlystop::model::Name::new(name).is_ok()));
        assert!(names.contains("b32-lr0.01-a0.0001") && names.contains("hang-b32-lr0.001-a0.0001"));
    }
}
