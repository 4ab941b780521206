//! What a policy would have done: recorded inputs go through the engine again. The engine alone decides, as in a daemon; a
//! replay is another feeder and another actuator of [`Engine::step`](crate::engine::Engine::step).
//!
//! Reading order: `tape` (a journal), `player` (feeds it, one daemon's life after the other), `book` (what a daemon that comes
//! back finds), `memory` (what it remembers), `cast` (who answers the engine), `past` (the record as it was, and whether the
//! journal agrees), `retold` (the record under another policy), `outcome` (what came of it), `score` and `stats`.
//!
//! Permutations: `corpus` (complete trials cut out of journals), `pool` (what is drawn as one), `lot` (one permutation through
//! an engine of its own), `baseline`, `permuted` (many of them), `dice`.

mod baseline;
mod book;
mod cast;
mod corpus;
mod dice;
mod expect;
mod lot;
mod memory;
mod meter;
mod outcome;
mod past;
mod permuted;
mod player;
mod pool;
mod retold;
mod score;
mod stats;
mod tape;

pub use baseline::FINISHED;
pub use corpus::Corpus;
pub use expect::{Answer, Expectation};
pub use memory::{Recollection, earlier};
pub use outcome::{Bounds, Experiment, Outcome, Question, Stopped, Used};
pub use past::{Break, Lived, Past, past};
pub use permuted::{Figure, Permuted, Plain, Plan, RuleDid, Way, baselines, permute, refused};
pub use pool::Pool;
pub use retold::{Retold, Stop, Under, WouldStop, retell};
pub use score::{Cost, Select};
pub use tape::Tape;
