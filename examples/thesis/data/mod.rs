//! Data: the red wine set, as the crate `linfa-datasets` carries it, and files in the formats of OpenML.
//!
//! In reading order: [`frame`] is a file's table; [`arff`] and [`file`] read one; [`table`] is ready for training;
//! [`known`] tells of the four sets of the experiments, [`openml`] fetches any, and [`source`] picks one of these ways.

mod arff;
mod file;
mod frame;
mod known;
mod openml;
mod parquet;
mod source;
mod table;

pub use file::read_arff;
pub use frame::{Frame, Kind};
pub use known::{Known, from_folder, known_names, red_wine};
pub use source::Source;
pub use table::{Data, Table};
