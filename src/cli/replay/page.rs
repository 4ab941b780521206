//! What is told, once for the terminal and for a page.

use super::plot::Point;
use crate::cli::table::{self, Align};

/// A table with a few words around it.
pub struct Section {
    /// Above it; may be empty.
    pub caption: String,
    /// Its columns.
    pub head: Vec<(&'static str, Align)>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
    /// Lines below it.
    pub after: Vec<String>,
    /// It has a row for each trial: on a page it comes last, on a terminal first.
    pub detail: bool,
}

/// All that is told.
pub struct Page {
    /// What was replayed, and how.
    pub title: String,
    /// What has to be said first.
    pub lead: Vec<String>,
    /// Tables.
    pub sections: Vec<Section>,
    /// What must be known to read the figures.
    pub notes: Vec<String>,
    /// For the plot.
    pub points: Vec<Point>,
}

impl Page {
    /// For a terminal, or for a file.
    pub fn lines(&self, width: Option<usize>) -> Vec<String> {
        let mut lines = vec![self.title.clone()];
        lines.extend(self.lead.iter().cloned());
        for section in &self.sections {
            lines.push(String::new());
            lines.extend(Some(section.caption.clone()).filter(|caption| !caption.is_empty()));
            lines.extend(table::render(&section.head, &section.rows, width));
            lines.extend(section.after.iter().cloned());
        }
        if !self.notes.is_empty() {
            lines.push(String::new());
            lines.extend(self.notes.iter().cloned());
        }
        lines
    }
}
