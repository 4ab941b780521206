//! `summary` templates.
