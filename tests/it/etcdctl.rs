//! The workstation's etcdctl against sessions recorded from the real 3.5.1.
//!
//! A recorded command is run in a [`Shell`] whose calls are answered from the recording: the answer that etcd gave is
//! read back from what etcdctl printed. So the test covers parsing, requests of the right kind, printing and exit codes,
//! and needs no server.

use std::collections::BTreeMap;
use std::path::PathBuf;

use control_plane_lab::shell::process::{Ask, Program, Tell};
use control_plane_lab::shell::{Machine, Shell};
use control_plane_lab::sim::{Micros, SimTime};
use serde_json::Value;

/// One recorded command.
struct Step {
    cmd: String,
    stdin: String,
    stdout: String,
    stderr: String,
    exit: i64,
}

fn folders() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let own = root.join("tests/testdata/etcd/transcripts");
    let conformance = std::env::var_os("LAB_CONFORMANCE").map_or(root.join("../shared/conformance"), PathBuf::from);
    let recorded = conformance.join("recorded/etcd/transcripts");
    if recorded.is_dir() {
        vec![own, recorded]
    } else {
        println!("no conformance folder at {}; only the committed transcripts are read", recorded.display());
        vec![own]
    }
}

fn steps(path: &PathBuf) -> Vec<Step> {
    let text = std::fs::read_to_string(path).unwrap();
    let field = |step: &Value, name: &str| step[name].as_str().unwrap_or_default().to_owned();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|step| step["cmd"].is_string() && step["exit"].is_i64())
        .map(|step| Step {
            cmd: field(&step, "cmd"),
            stdin: field(&step, "stdin"),
            stdout: field(&step, "stdout"),
            stderr: field(&step, "stderr"),
            exit: step["exit"].as_i64().unwrap(),
        })
        .collect()
}

/// What one command printed, and what it asked that nobody answered.
#[derive(Default)]
struct Outcome {
    stdout: String,
    stderr: String,
    exit: i64,
    asked: Vec<Ask>,
}

fn machine() -> Machine {
    Machine { name: "workstation".into(), hosts: vec!["default".into()], ..Machine::default() }
}

/// Runs a command to its end, or until it asks for something that only a server could answer.
fn run(step: &Step) -> Outcome {
    let mut shell = Shell::new(machine());
    let mut outcome = Outcome::default();
    let mut now = SimTime::ZERO;
    let mut asks = Vec::new();
    shell.line(now, &step.cmd, &mut asks);
    now += Micros(1_000);
    if !step.stdin.is_empty() {
        shell.feed(now, &step.stdin, &mut asks);
    }
    shell.tell(now, Tell::StdinClosed, &mut asks);
    for ask in asks {
        match ask {
            Ask::Stdout(text) => outcome.stdout += &text,
            Ask::Stderr(text) => outcome.stderr += &text,
            other => outcome.asked.push(other),
        }
    }
    outcome.exit = shell.status().into();
    outcome
}

/// The recording without the stack traces of Go, which tell of the machine that built etcd.
fn without_stack_traces(stderr: &str) -> String {
    let stderr = stderr.split("\n\ngoroutine 1 ").next().unwrap_or_default();
    let cut = |line: &str| line.split_once(",\"stacktrace\"").map_or(line.to_owned(), |(head, _)| format!("{head}}}"));
    stderr.lines().map(|line| cut(line) + "\n").collect()
}

/// What stands in a recording where runs differ.
const PLACEHOLDERS: [&str; 5] = ["<dur>", "<ts>", "<ptr>", "########", "#"];

/// Whether `printed` is `recorded`, whose placeholders stand for any word.
fn alike(recorded: &str, printed: &str) -> bool {
    let (mut recorded, mut printed) = (recorded.lines(), printed.lines());
    loop {
        match (recorded.next(), printed.next()) {
            (None, None) => return true,
            (Some(recorded), Some(printed)) if line_alike(recorded, printed) => {}
            _ => return false,
        }
    }
}

fn line_alike(recorded: &str, printed: &str) -> bool {
    // Tables with a placeholder were drawn again by the recorder: their cells count, not their widths.
    if recorded.starts_with("+-") {
        return printed.starts_with("+-");
    }
    if recorded.starts_with("| ") {
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let (recorded, printed) = (cells(recorded), cells(printed));
        return recorded.len() == printed.len() && recorded.iter().zip(&printed).all(|(a, b)| words_alike(a, b));
    }
    words_alike(recorded, printed)
}

fn words_alike(recorded: &str, printed: &str) -> bool {
    let placeholder =
        PLACEHOLDERS.iter().filter_map(|mask| Some((recorded.find(mask)?, *mask))).min_by_key(|(at, _)| *at);
    let Some((at, mask)) = placeholder else { return recorded == printed };
    let Some(rest) = printed.strip_prefix(&recorded[..at]) else { return false };
    // A time in a log line is a text for one logger and a number for the other.
    let word = |c: char| c.is_alphanumeric() || " .:-+_<>".contains(c);
    let end = rest.find(|c: char| !word(c)).unwrap_or(rest.len());
    let after = &recorded[at + mask.len()..];
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]).filter(|at| (1..=end).contains(at));
    let mut ends = ends.collect::<Vec<_>>().into_iter().rev();
    ends.any(|end| words_alike(after, &rest[end..]))
}

/// A log line's time as the recorder writes it, whether it is a text or a number.
fn masked(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        match line.split_once("\"ts\":") {
            Some((head, tail)) if line.starts_with("{\"level\"") => {
                let end = tail.find(",\"").unwrap_or(tail.len());
                out += &format!("{head}\"ts\":\"<ts>\"{}", &tail[end..]);
            }
            _ => out += line,
        }
    }
    out
}

#[track_caller]
fn compare(step: &Step, outcome: &Outcome, place: &str) {
    let Step { cmd, stdout, exit, .. } = step;
    let stderr = &without_stack_traces(&step.stderr);
    assert!(alike(stdout, &outcome.stdout), "stdout of {cmd} in {place}\n{}\nrecorded\n{stdout}", outcome.stdout);
    assert!(
        alike(stderr, &masked(&outcome.stderr)),
        "stderr of {cmd} in {place}\n{}\nrecorded\n{stderr}",
        outcome.stderr
    );
    assert_eq!(outcome.exit, *exit, "exit of {cmd} in {place}");
}

/// Commands that never reach a server print what the real program prints.
#[test]
fn usage_and_help_are_recorded_ones() {
    let mut compared = BTreeMap::new();
    for folder in folders() {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        paths.sort();
        for path in paths {
            for step in steps(&path) {
                if !step.cmd.contains("etcdctl") || step.cmd.contains("etcdutl") {
                    continue;
                }
                let outcome = run(&step);
                let unbuilt =
                    ["not built into this lab", "has no files yet"].iter().any(|it| outcome.stderr.contains(it));
                if !outcome.asked.is_empty() || unbuilt || outcome.exit == 127 {
                    continue;
                }
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                *compared.entry(name).or_insert(0) += 1;
                compare(&step, &outcome, &path.display().to_string());
            }
        }
    }
    println!("compared without a server: {compared:?}");
    assert!(compared["help_texts-1.jsonl"] >= 50);
    assert!(compared["bad_usage-1.jsonl"] >= 40);
}
