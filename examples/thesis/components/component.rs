//! What is added to a training loop, one at a time.

use crate::search::trainer::Kind;

/// A rung: everything of the one before, and one component more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// The steps and their losses; the sidecar only hears that it is there.
    Plain,
    /// Heartbeats, and an evaluation at each.
    Metrics,
    /// A run in MLflow that gets each report.
    Mlflow,
    /// All of that in a process of Ray's, under Ray Tune, the rows in its object store.
    Ray,
}

impl Component {
    /// From the first rung to the last.
    pub const ALL: [Component; 4] = [Component::Plain, Component::Metrics, Component::Mlflow, Component::Ray];

    /// Those of a trainer.
    pub fn of(kind: Kind) -> &'static [Component] {
        match kind {
            Kind::Rust => &Component::ALL[..2],
            Kind::Sklearn | Kind::Ray => &Component::ALL,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Component::Plain => "plain",
            Component::Metrics => "metrics",
            Component::Mlflow => "mlflow",
            Component::Ray => "ray",
        }
    }

    /// The rung of this name.
    pub fn named(name: &str) -> Option<Component> {
        Component::ALL.into_iter().find(|component| component.as_str() == name)
    }
}
