//! Lines of the socket, to and from the vocabulary (section 3 of the contract), and the client's side of it.
//!
//! In reading order:
//!
//! - [`frame`]: bytes to lines; a line that is too long is skipped.
//! - [`parse`]: a line of a client to a [`ClientLine`] or a [`Refusal`](crate::model::Refusal).
//! - [`render`]: a [`Reply`](crate::model::Reply) to a line; [`row`] holds the rows of `list` and `explain`.
//! - [`write`]: the lines that clients send; [`answer`]: what comes back, read again.
//! - [`client`]: a blocking client for commands; [`trainer`]: a client for training loops that never waits.

pub mod answer;
pub mod client;
pub mod frame;
pub mod row;
pub mod trainer;
pub mod write;

mod bare;
mod control;
mod line;
mod link;
mod render;
mod report;
mod spec;
mod value;

pub use line::{ClientLine, Dropped, Message, Speaker, Watch, parse};
pub use render::render;
pub use spec::{check_label, param_name};

/// The protocol's version, the `v` of hello, welcome and control lines.
pub const VERSION: u64 = 1;

/// Longest line in bytes, its LF not counted.
pub const MAX_LINE: usize = 64 * 1024;

#[cfg(test)]
mod tests;
