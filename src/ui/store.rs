//! What the browser keeps for the learner: a few texts by name, in local storage. Losing them loses no page, only comfort.
//!
//! The storage belongs to the origin, which other builds under other paths may share; so names begin with the path.

/// The names that are in use.
pub const THEME: &str = "theme";
pub const LAYOUT: &str = "layout";
/// The views on the stage.
pub const VIEWS: &str = "views";
/// The world as it was last seen: see `worlds`.
pub const WORLD: &str = "world";
/// The world before that, which another took the place of.
pub const WORLD_BEFORE: &str = "world-before";
/// There while a saved world is being opened: still there at the next start, that world ended the page.
pub const OPENING: &str = "opening";
/// Followed by a lesson's id.
pub const PROGRESS: &str = "progress ";

fn storage() -> Option<web_sys::Storage> {
    // Forbidden in some frames and private windows.
    web_sys::window()?.local_storage().ok()?
}

fn name(key: &str) -> Option<String> {
    let base = web_sys::window()?.document()?.base_uri().ok()??;
    let path = web_sys::Url::new_with_base(".", &base).ok()?.pathname();
    Some(format!("control-plane-lab {path} {key}"))
}

pub fn read(key: &str) -> Option<String> {
    storage()?.get_item(&name(key)?).ok()?
}

/// `false`: the browser did not take it, for want of room or of permission.
pub fn write(key: &str, value: &str) -> bool {
    let written = || storage()?.set_item(&name(key)?, value).ok();
    written().is_some()
}

pub fn remove(key: &str) {
    if let (Some(storage), Some(name)) = (storage(), name(key)) {
        // Fails only where reading does, too.
        storage.remove_item(&name).ok();
    }
}
