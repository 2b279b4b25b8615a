//! Recordings of a real etcd 3.5.1, replayed against the lab's.
//!
//! Some are in `tests/testdata/etcd`; all of them in the conformance folder, `../shared/conformance` or where
//! `LAB_CONFORMANCE` says, and further ones in the folders that `LAB_CONFORMANCE_DIR` lists, separated by colons. A file's
//! kind is told by its content. Nothing but equality passes. To see the counts: `cargo test conformance -- --nocapture`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

pub mod engine;
mod trace;
pub mod values;

/// A kind of recording.
struct Kind {
    /// The profile that a text of this kind belongs to; nothing for texts of other kinds.
    profile: fn(&Path, &str) -> Option<String>,
    replay: fn(&Path, &str) -> Outcome,
}

const KINDS: [Kind; 2] = [
    Kind { profile: |_, text| trace::profile(text), replay: trace::replay },
    Kind {
        profile: |_, text| {
            (text.starts_with('{') && text.contains("\"current_revision\"")).then(|| "snapshot".to_owned())
        },
        replay: |path, text| {
            let check = || crate::snapshots::check_recorded(path, text);
            match std::panic::catch_unwind(check) {
                Ok(()) => Outcome::Equal,
                Err(_) => Outcome::Different("holds something else; see above".to_owned()),
            }
        },
    },
];

/// What came of replaying one recording.
pub enum Outcome {
    Equal,
    /// Equal up to a line where we chose not to copy a bug of etcd's: its names.
    Quirk(Vec<String>),
    Different(String),
}

#[derive(Default)]
struct Count {
    replayed: usize,
    equal: usize,
    quirks: BTreeMap<String, usize>,
}

#[test]
fn recordings() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = home.join("tests/testdata/etcd");
    let shared = std::env::var_os("LAB_CONFORMANCE").map_or_else(|| home.join("../shared/conformance"), PathBuf::from);
    let shared = shared.join("recorded/etcd");
    let further = std::env::var_os("LAB_CONFORMANCE_DIR").unwrap_or_default();
    let mut folders = vec![committed];
    if shared.is_dir() {
        folders.push(shared);
    } else {
        println!("the folder of all recordings is absent: the committed ones are replayed");
    }
    for folder in std::env::split_paths(&further).filter(|folder| !folder.as_os_str().is_empty()) {
        assert!(folder.is_dir(), "LAB_CONFORMANCE_DIR names {}, which is no folder", folder.display());
        folders.push(folder);
    }
    let (mut counts, mut failures, mut seen) = (BTreeMap::<String, Count>::new(), Vec::new(), BTreeSet::new());
    for path in folders.iter().flat_map(|folder| files(folder)) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let Some((kind, profile)) = KINDS.iter().find_map(|kind| Some((kind, (kind.profile)(&path, &text)?))) else {
            continue;
        };
        // A committed recording is in the folder of all recordings, too.
        if seen.contains(&text) {
            continue;
        }
        let outcome = (kind.replay)(&path, &text);
        seen.insert(text);
        let count = counts.entry(profile).or_default();
        count.replayed += 1;
        match outcome {
            Outcome::Equal => count.equal += 1,
            Outcome::Quirk(names) => names.into_iter().for_each(|name| *count.quirks.entry(name).or_default() += 1),
            Outcome::Different(report) => failures.push(format!("{}: {report}", path.display())),
        }
    }
    failures.iter().for_each(|failure| println!("{failure}"));
    for (profile, Count { replayed, equal, quirks }) in &counts {
        if !quirks.is_empty() {
            println!("conformance: {profile}: departed by choice at {quirks:?}");
        }
        println!("conformance: {profile}: {replayed} replayed, {equal} equal");
    }
    for profile in ["kv", "txn", "watch", "lease", "compact", "auth", "quota", "special", "snapshot"] {
        assert!(counts.contains_key(profile), "no recording of the profile {profile} is there");
    }
    assert!(failures.is_empty(), "{} recordings differ", failures.len());
}

/// Files below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    // Seeds count: 2 comes before 10.
    paths.sort_by_key(|path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        (stem.parse::<u64>().unwrap_or(u64::MAX), path.clone())
    });
    let inside = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    paths.into_iter().flat_map(inside).filter(|path| has_text(path)).collect()
}

fn has_text(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jsonl" || extension == "json")
}
