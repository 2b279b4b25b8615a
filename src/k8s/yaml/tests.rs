//! Texts and values.
