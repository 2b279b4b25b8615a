//! Sessions recorded from the real etcdctl 3.5.1, typed into the lab's own terminals.
//!
//! Each session is a world of its own: members named and addressed as recorded, their flags, and what happened to the
//! servers in between. Standard output, standard error and exit status of every step must be the recorded ones, byte for
//! byte under the recorder's masks (`masks.json`).
//!
//! A few sessions are in `tests/testdata/etcd/transcripts`; all of them are in the conformance folder, `../shared/conformance`
//! or where `LAB_CONFORMANCE` says; more may be in the folders of `LAB_CONFORMANCE_DIR`, separated by colons.

mod masks;
mod session;

use masks::Masks;
use session::{Outcome, Session};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where sessions may be: the repository's own first.
fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("tests/testdata/etcd/transcripts")];
    let shared = std::env::var_os("LAB_CONFORMANCE").map_or(root.join("../shared/conformance"), PathBuf::from);
    let recorded = shared.join("recorded/etcd/transcripts");
    if recorded.is_dir() {
        folders.push(recorded);
    } else {
        println!("no conformance folder at {}; only the committed transcripts are replayed", recorded.display());
    }
    folders.extend(std::env::var_os("LAB_CONFORMANCE_DIR").iter().flat_map(std::env::split_paths));
    folders
}

/// Every session there is, each once, by name.
fn sessions() -> BTreeMap<String, Session> {
    let mut found: BTreeMap<String, Session> = BTreeMap::new();
    for folder in folders() {
        let Ok(entries) = fs::read_dir(&folder) else {
            println!("no folder {}", folder.display());
            continue;
        };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|it| it == "jsonl")) {
            let text = fs::read_to_string(path).expect("a readable session");
            let Some(session) = Session::parse(&text) else { continue };
            let mut name = session.name();
            if found.get(&name).is_some_and(|known| *known != session) {
                name += &format!(" of {}", path.display());
            }
            found.entry(name).or_insert(session);
        }
    }
    found
}

#[test]
fn conformance_transcripts() {
    let masks = Masks::read(&folders());
    let only = std::env::var("LAB_SESSION").unwrap_or_default();
    let (mut replayed, mut equal) = (0, 0);
    let mut skipped: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut differ = Vec::new();
    for (name, session) in sessions().into_iter().filter(|(name, _)| name.contains(&only)) {
        let mut of_session = 0;
        for (step, outcome) in session.replay(&masks) {
            match outcome {
                Outcome::Equal => (replayed, equal, of_session) = (replayed + 1, equal + 1, of_session + 1),
                Outcome::Unbuilt(why) => skipped.entry(why).or_default().push(format!("{name}: {step}")),
                Outcome::Different(report) => {
                    replayed += 1;
                    differ.push(format!("{name}, {step}\n{report}"));
                }
            }
        }
        println!("{name}: {of_session} steps equal");
    }
    for (why, steps) in &skipped {
        println!("not replayed, for {why}:\n  {}", steps.join("\n  "));
    }
    let apart: usize = skipped.values().map(Vec::len).sum();
    let rest = if apart == 0 { String::new() } else { format!(", {apart} skipped") };
    println!("conformance: transcripts: {replayed} replayed, {equal} equal{rest}");
    assert!(replayed > 0, "no session was there");
    assert!(differ.is_empty(), "{} steps differ\n\n{}", differ.len(), differ.join("\n\n"));
}
