//! Conditions and values in words, for reasons.
