//! Forms that objects take.
