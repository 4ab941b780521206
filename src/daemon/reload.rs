//! Reading the policy again, off the main loop: a folder on a slow disk must not hold up a stop.

use std::path::PathBuf;
use std::sync::Arc;

use super::inbox::Inbox;
use crate::model::{Diagnostic, Event, Policy};
use crate::policy::{self, Context};
use crate::sys::clock;

/// How findings become text: the one place that renders them is above this room.
pub type Render = fn(&[Diagnostic]) -> String;

/// Where the policy comes from.
#[derive(Clone)]
pub struct Reloader {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// What its meaning depends on.
    pub context: Context,
    /// How findings become text.
    pub render: Render,
}

impl Reloader {
    /// Reads the policy. Errors: all findings, as text.
    pub fn load(&self) -> Result<Arc<Policy>, String> {
        match policy::load(&self.paths, &self.context) {
            Ok((policy, warnings)) => {
                warnings.iter().for_each(|w| tracing::warn!("{}", (self.render)(std::slice::from_ref(w)).trim_end()));
                Ok(Arc::new(policy))
            }
            Err(findings) => Err((self.render)(&findings)),
        }
    }

    /// Reads it on a thread of its own; the outcome comes back as an event.
    pub fn reload(&self, inbox: &Arc<Inbox>) {
        let (own, back) = (self.clone(), inbox.clone());
        let read = move || {
            let event = match own.load() {
                Ok(policy) => Event::Policy(policy),
                Err(text) => Event::ReloadFailed(text),
            };
            back.event(clock::now(), event);
        };
        if let Err(error) = std::thread::Builder::new().name("reload".into()).spawn(read) {
            inbox.event(clock::now(), Event::ReloadFailed(format!("no thread to read it on: {error}")));
        }
    }
}
