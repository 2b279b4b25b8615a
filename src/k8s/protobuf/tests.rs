//! Bytes and objects.
