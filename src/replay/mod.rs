//! What a policy would have done: recorded inputs go through the engine again. The engine alone decides, as in a daemon; a
//! replay is another feeder and another actuator of [`Engine::step`](crate::engine::Engine::step).
//!
//! Reading order: `tape` (a journal), `player` (feeds it, one daemon's life after the other), `book` (what a daemon that comes
//! back finds), `cast` (who answers the engine), `past` (the record as it was, and whether the journal agrees), `retold` (the
//! record under another policy), `outcome` (what came of it), `score` and `stats`.

mod book;
mod cast;
mod expect;
mod meter;
mod outcome;
mod past;
mod player;
mod retold;
mod score;
mod stats;
mod tape;

pub use expect::{Answer, Expectation};
pub use outcome::{Bounds, Experiment, Outcome, Question, Stopped, Used};
pub use past::{Break, Lived, Past, past};
pub use retold::{Retold, Stop, Under, WouldStop, retell};
pub use score::{Cost, Select};
pub use tape::Tape;
