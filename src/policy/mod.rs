//! TOML to rules.
