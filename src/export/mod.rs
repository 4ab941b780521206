//! Tells the world: the text exposition, the page, and the HTTP server with TLS and basic auth. Everything is read off
//! the last [`crate::model::Snapshot`]; nothing here samples, evaluates or changes a thing.

mod api;
pub mod auth;
mod chunks;
pub mod history;
pub mod http;
pub mod listen;
pub mod own;
mod page;
mod reread;
mod routes;
mod state;
pub mod text;
mod tls;
pub mod web;

pub use chunks::Chunks;
pub use history::History;
pub use http::serve;
pub use listen::Listener;
pub use own::Own;
pub use state::{Encoding, ExportState};
pub use web::WebConfig;
