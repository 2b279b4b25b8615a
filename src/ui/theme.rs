//! Light, dark, or as the system says. `assets/theme.js` puts a remembered choice on before the first paint.

use super::store;
use leptos::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    pub const ALL: [(Theme, &str); 3] = [(Theme::System, "As the system"), (Theme::Light, "Light"), (Theme::Dark, "Dark")];

    pub fn remembered() -> Theme {
        match store::read(store::THEME).as_deref() {
            Some("light") => Theme::Light,
            Some("dark") => Theme::Dark,
            _ => Theme::System,
        }
    }

    /// Puts it on, and remembers it.
    pub fn wear(self) {
        let Some(root) = document().document_element() else { return };
        let name = match self {
            Theme::System => {
                root.remove_attribute("data-theme").ok();
                return store::remove(store::THEME);
            }
            Theme::Light => "light",
            Theme::Dark => "dark",
        };
        root.set_attribute("data-theme", name).ok();
        store::write(store::THEME, name);
    }
}
