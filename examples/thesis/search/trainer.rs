//! Which program trains: this one, or Python scripts with scikit-learn that do the same, alone or under Ray Tune.

use std::error::Error;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

/// Programs that train.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// This one
    #[default]
    Rust,
    /// scikit-learn, in examples/thesis/trainers/sklearn_trainer.py
    Sklearn,
    /// The same under Ray Tune, logged to MLflow, in examples/thesis/trainers/ray_trainer.py
    Ray,
}

impl Kind {
    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Rust => "rust",
            Kind::Sklearn => "sklearn",
            Kind::Ray => "ray",
        }
    }

    /// What a search of this kind writes down of it; nothing for this program, so that older searches go on.
    pub fn said(self) -> &'static str {
        match self {
            Kind::Rust => "",
            Kind::Sklearn => ", trainer sklearn",
            Kind::Ray => ", trainer ray",
        }
    }

    /// The kind of which a search wrote this down.
    pub fn of(search: &str) -> Kind {
        let others = [Kind::Sklearn, Kind::Ray];
        others.into_iter().find(|kind| search.contains(kind.said())).unwrap_or_default()
    }

    /// Python packages that it needs beyond Python's own.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Kind::Rust => &[],
            Kind::Sklearn => &["numpy", "sklearn"],
            Kind::Ray => &["numpy", "sklearn", "ray", "pyarrow", "pandas", "mlflow", "sqlalchemy", "alembic"],
        }
    }
}

/// What trains.
#[derive(Clone, Debug, clap::Args)]
pub struct Trainer {
    /// What trains: the same rows, steps and reports
    #[arg(long = "trainer", value_name = "TRAINER", value_enum, default_value_t)]
    pub kind: Kind,
    /// The Python that has scikit-learn, and for `ray` Ray and MLflow; see examples/thesis/trainers/requirements.txt
    #[arg(long, value_name = "FILE", default_value = "python3")]
    pub python: PathBuf,
}

/// The packages, pinned.
const REQUIREMENTS: &str = "examples/thesis/trainers/requirements.txt";

/// Prints those of its arguments that are no module.
const MISSING: &str = "import importlib.util as u, sys; print(*[m for m in sys.argv[1:] if u.find_spec(m) is None])";

impl Trainer {
    /// Whether it can train at all. Errors: there is no such Python, or it lacks a package; which command installs it.
    pub fn check(&self) -> Result<(), Box<dyn Error>> {
        let packages = self.kind.packages();
        if packages.is_empty() {
            return Ok(());
        }
        let python = self.python.display();
        let output = Command::new(&self.python).args(["-c", MISSING]).args(packages).output();
        let output = output.map_err(|e| format!("cannot start {python}: {e}; --python names another Python"))?;
        let missing = String::from_utf8_lossy(&output.stdout).trim().replace(' ', ", ");
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{python} does not run: {}; --python names another", said.trim()).into());
        }
        if !missing.is_empty() {
            return Err(format!(
                "--trainer {} needs Python packages that {python} has not: {missing}; \
                 `{python} -m pip install -r {REQUIREMENTS}` installs them, or --python names another Python",
                self.kind.as_str()
            )
            .into());
        }
        Ok(())
    }

    /// A trial's command, from the arguments of this program's own.
    pub fn command(&self, arguments: &[String]) -> io::Result<Command> {
        match self.kind {
            Kind::Rust => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(arguments);
                Ok(command)
            }
            Kind::Sklearn | Kind::Ray => {
                let mut command = self.script("sklearn_trainer.py");
                // The first one says which part of this program is meant.
                command.args(arguments.iter().skip(1));
                Ok(command)
            }
        }
    }

    /// One of the scripts, with the client of this repository.
    pub fn script(&self, name: &str) -> Command {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(&self.python);
        command.arg(repository.join("examples/thesis/trainers").join(name));
        command.env("PYTHONPATH", search_path(&repository.join("python")));
        command
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
        let trainer = Trainer { kind: Kind::Sklearn, python: "python9".into() };
        let command = trainer.command(&["fit".into(), "--fold=fold3".into()]).expect("nothing is started");
        assert_eq!(command.get_program(), "python9");
        let arguments: Vec<_> = command.get_args().collect();
        assert!(Path::new(arguments[0]).is_file(), "{arguments:?}");
        assert_eq!(arguments[1..], ["--fold=fold3"]);
        assert!(command.get_envs().any(|(name, _)| name == "PYTHONPATH"));
    }

    #[test]
    fn a_python_that_is_not_there_and_a_package_that_it_has_not_are_said_with_what_to_do() {
        let said = |python: &str| {
            let trainer = Trainer { kind: Kind::Ray, python: python.into() };
            trainer.check().expect_err("it cannot train").to_string()
        };
        assert!(said("/no/such/python").contains("--python names another"));
        // Stands in for a Python that has none of them: it says back what it is asked for.
        let said = said("echo");
        assert!(said.contains("sklearn, ray,") && said.contains("pip install -r examples/"), "{said}");
        let rust = Trainer { kind: Kind::Rust, python: "/no/such/python".into() };
        rust.check().expect("it needs no Python");
    }

    #[test]
    fn kinds_have_the_names_of_the_command_line() {
        for kind in Kind::value_variants() {
            assert_eq!(Kind::of(&format!("seed 1, observe false{}, share 0.1", kind.said())), *kind);
            assert_eq!(kind.to_possible_value().expect("all can be named").get_name(), kind.as_str());
        }
    }
}
