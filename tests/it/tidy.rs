//! The rules of the house that a machine can keep: layers point one way, and what is banned stays out.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers, lowest first. A module may name only those before it, and itself.
const LAYERS: [&str; 11] =
    ["sim", "raft", "etcd", "cel", "k8s", "shell", "lab", "transcript", "lesson", "projection", "ui"];

/// Raft is pure: it does not even know the simulated world.
const RAFT_KNOWS: [&str; 1] = ["raft"];

/// Order by hash, the wall clock, and luck: none of them may touch a world.
const BANNED_BELOW_PROJECTION: [&str; 8] =
    ["HashMap", "HashSet", "Instant", "SystemTime", "thread_rng", "rand::rng(", " f32", " f64"];

/// Parked code.
const BANNED_EVERYWHERE: [&str; 5] = ["todo!(", "unimplemented!(", "dbg!(", "#[ignore", "#[allow(dead_code"];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, out: &mut Vec<(PathBuf, String)>) {
        let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                out.push((path, text));
            }
        }
    }
    let mut out = Vec::new();
    walk(&root().join("src"), &mut out);
    out
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The layer that a file belongs to: its folder under `src`. `None` for the crate's own roots.
fn layer(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
    (inside.components().count() > 1 && first != "bin").then_some(first)
}

/// The modules of the crate that a line of code names: the words after `crate::`.
fn named(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names: Vec<String> = code.split("crate::").skip(1).map(word).collect();
    if let Some(group) = code.split("crate::{").nth(1) {
        names.extend(group.split(',').map(|part| word(part.trim())));
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn layers_point_one_way() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(own) = layer(&path) else { continue };
        let Some(height) = LAYERS.iter().position(|layer| *layer == own) else {
            wrong.push(format!("{}: \"{own}\" is no layer; expected one of {LAYERS:?}", path.display()));
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for name in named(line) {
                let above = LAYERS.iter().position(|layer| *layer == name).is_some_and(|other| other > height);
                let impure = own == "raft" && LAYERS.contains(&&name[..]) && !RAFT_KNOWS.contains(&&name[..]);
                if above || impure {
                    wrong.push(format!("{}:{}: {own} names {name}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_import_would_be_seen() {
    assert_eq!(named("use crate::lab::Lab;"), ["lab"]);
    assert_eq!(named("use crate::{sim, ui::App};"), ["sim", "ui"]);
    assert_eq!(named("let x = crate::shell::parse(y); // crate::ui"), ["shell"]);
}

#[test]
fn what_is_banned_stays_out() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let engine = layer(&path).is_some_and(|layer| layer != "projection" && layer != "ui");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let banned = BANNED_EVERYWHERE.iter().chain(if engine { &BANNED_BELOW_PROJECTION[..] } else { &[] });
            for word in banned.filter(|word| code.contains(**word)) {
                wrong.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
            if layer(&path).is_some_and(|layer| layer != "ui") && code.contains("leptos") {
                wrong.push(format!("{}:{}: leptos below ui", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_an_orphan() {
    let sources = sources();
    for (path, _) in &sources {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let folder = path.parent().unwrap();
        let is_root = ["lib", "main"].contains(&name) || folder.ends_with("bin");
        let (module, home) = if name == "mod" {
            (folder.file_name().unwrap().to_str().unwrap(), folder.parent().unwrap())
        } else {
            (name, folder)
        };
        let declares = |other: &Path| {
            let beside = other.parent() == Some(home);
            // `home.rs` declares the modules of `home/` as well.
            beside || other.with_extension("") == home
        };
        let declared = sources.iter().any(|(other, text)| {
            declares(other) && text.lines().any(|line| line.trim_end().ends_with(&format!("mod {module};")))
        });
        assert!(is_root || declared, "{} belongs to no module", path.display());
    }
}

#[test]
fn every_module_says_what_it_is() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{} begins without //!", path.display());
    }
}

#[test]
fn every_dependency_says_why() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut section = "";
    let mut reason = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
            reason = false;
        } else if line.starts_with('#') {
            reason = true;
        } else if line.is_empty() {
            reason = false;
        } else if section.ends_with("dependencies]") && line.contains('=') && !line.starts_with([' ', ']', '"']) {
            assert!(reason, "no reason above: {line}");
        }
    }
}
