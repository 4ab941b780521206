//! Which program trains: this one, or a Python script with scikit-learn that does the same.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

/// Programs that train.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// This one
    #[default]
    Rust,
    /// scikit-learn, in examples/thesis/trainers/sklearn_trainer.py
    Sklearn,
}

/// What trains.
#[derive(Clone, Debug, clap::Args)]
pub struct Trainer {
    /// What trains: the same rows, steps and reports
    #[arg(long, value_enum, default_value_t)]
    trainer: Kind,
    /// The Python that has scikit-learn; see examples/thesis/trainers/requirements.txt
    #[arg(long, value_name = "FILE", default_value = "python3")]
    python: PathBuf,
}

impl Trainer {
    /// What makes a search another one; nothing for this program, so that older searches go on.
    pub fn said(&self) -> &'static str {
        match self.trainer {
            Kind::Rust => "",
            Kind::Sklearn => ", trainer sklearn",
        }
    }

    /// A trial's command, from the arguments of this program's own.
    pub fn command(&self, arguments: &[String]) -> io::Result<Command> {
        match self.trainer {
            Kind::Rust => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(arguments);
                Ok(command)
            }
            Kind::Sklearn => {
                let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
                let mut command = Command::new(&self.python);
                command.arg(repository.join("examples/thesis/trainers/sklearn_trainer.py"));
                // The first one says which part of this program is meant.
                command.args(arguments.iter().skip(1));
                command.env("PYTHONPATH", search_path(&repository.join("python")));
                Ok(command)
            }
        }
    }
}

/// The client of this repository before whatever else is looked through.
fn search_path(client: &Path) -> OsString {
    let before = std::env::var_os("PYTHONPATH").filter(|path| !path.is_empty());
    let mut path = client.as_os_str().to_os_string();
    if let Some(before) = before {
        path.push(":");
        path.push(before);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_gets_the_same_arguments_without_the_word_for_this_program() {
        let trainer = Trainer { trainer: Kind::Sklearn, python: "python9".into() };
        let command = trainer.command(&["fit".into(), "--fold=fold3".into()]).expect("nothing is started");
        assert_eq!(command.get_program(), "python9");
        let arguments: Vec<_> = command.get_args().collect();
        assert!(Path::new(arguments[0]).is_file(), "{arguments:?}");
        assert_eq!(arguments[1..], ["--fold=fold3"]);
        assert!(command.get_envs().any(|(name, _)| name == "PYTHONPATH"));
    }
}
