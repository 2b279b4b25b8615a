//! Programs on the simulated workstation.
pub mod process;
