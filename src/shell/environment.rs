//! A shell's variables.

use std::collections::BTreeMap;

/// Longest value of a variable in bytes: doubling one again and again must not fill the tab.
pub const VALUE_BYTES_MAX: usize = 128 * 1024;

/// Variables by name, in byte order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Environment(BTreeMap<String, Variable>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Variable {
    value: String,
    /// Programs see it.
    exported: bool,
}

impl Environment {
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|variable| variable.value.as_str())
    }

    /// Assigns without changing whether the variable is exported.
    pub fn assign(&mut self, name: &str, value: String) {
        let exported = self.0.get(name).is_some_and(|variable| variable.exported);
        self.0.insert(name.to_owned(), Variable { value, exported });
    }

    pub fn export(&mut self, name: &str, value: Option<String>) {
        let value = value.or_else(|| self.value(name).map(str::to_owned)).unwrap_or_default();
        self.0.insert(name.to_owned(), Variable { value, exported: true });
    }

    pub fn unset(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// What a program inherits.
    pub fn exported(&self) -> impl Iterator<Item = (&str, &str)> {
        let exported = self.0.iter().filter(|(_, variable)| variable.exported);
        exported.map(|(name, variable)| (name.as_str(), variable.value.as_str()))
    }
}
