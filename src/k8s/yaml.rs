//! YAML as kubectl reads and prints it: that of `sigs.k8s.io/yaml`, which is YAML 1.1 by go-yaml, through JSON.

mod print;
mod read;
mod scalar;
#[cfg(test)]
mod tests;

pub use print::to_string;
pub use read::{Document, Duplicate, YamlError, parse};
