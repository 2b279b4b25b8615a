//! Random lives: none breaks a promise, and every rule that is broken on purpose is found out.

use control_plane_lab::etcd::Rule;
use control_plane_lab::lab::Scenario;
use control_plane_lab::lab::fuzz::{self, Outcome};
use std::collections::BTreeSet;

/// Lives that `make test` goes through; `make fuzz` has more.
const LIVES: u64 = 200;

fn listed(outcome: &Outcome, scenario: &Scenario) -> String {
    let problems: Vec<String> = outcome.problems.iter().map(ToString::to_string).collect();
    let replay = fuzz::replay_command(outcome.seed, scenario);
    format!("seed {}:\n{}\nreplay with: {replay}", outcome.seed, problems.join("\n"))
}

#[test]
fn random_lives_break_no_promise() {
    let scenario = Scenario::default();
    let (mut acknowledged, mut watched) = (0, 0);
    for seed in 1..=LIVES {
        let outcome = fuzz::run(seed, scenario);
        assert!(outcome.problems.is_empty(), "{}", listed(&outcome, &scenario));
        acknowledged += outcome.acknowledged;
        watched += outcome.watched;
    }
    println!("{LIVES} seeds, {acknowledged} calls answered, {watched} events watched");
    assert!(acknowledged > 60_000, "{acknowledged} calls in {LIVES} lives try too little");
    assert!(watched > 100_000, "{watched} events in {LIVES} lives try too little");
}

/// With one rule broken some seed shows it, by one of these checks; with the rule kept the same seed shows nothing.
fn is_found_out(rule: Rule, seeds: u64, checks: &[&str]) {
    let sound = Scenario::default();
    let broken = Scenario { rules: sound.rules.without(rule), ..sound };
    let found = (1..=seeds).map(|seed| fuzz::run(seed, broken)).find(|outcome| !outcome.problems.is_empty());
    let found = found.unwrap_or_else(|| panic!("{seeds} seeds do not show what {} is for", rule.name()));
    println!("without {}: {}", rule.name(), listed(&found, &broken));
    let named: BTreeSet<&str> = found.problems.iter().map(|problem| problem.check).collect();
    assert!(checks.iter().any(|check| named.contains(check)), "found by {named:?}, expected one of {checks:?}");
    let kept = fuzz::run(found.seed, sound);
    assert!(kept.problems.is_empty(), "{}", listed(&kept, &sound));
    let again = fuzz::run(found.seed, broken);
    assert_eq!((again.problems, again.lab.hash()), (found.problems, found.lab.hash()));
}

#[test]
fn a_lost_fsync_is_found_out() {
    is_found_out(Rule::FsyncBeforeAck, 30, &["state machine safety", "leader completeness"]);
}

#[test]
fn a_second_vote_in_a_term_is_found_out() {
    is_found_out(Rule::OneVotePerTerm, 30, &["election safety"]);
}

#[test]
fn a_stale_read_is_found_out() {
    is_found_out(Rule::ConfirmReads, 60, &["linearizability"]);
}

#[test]
fn an_entry_applied_twice_is_found_out() {
    is_found_out(Rule::ApplyOnce, 5, &["state machine safety"]);
}

#[test]
fn a_torn_tail_taken_for_whole_is_found_out() {
    is_found_out(Rule::CutTornTail, 30, &["log matching", "state machine safety"]);
}

#[test]
fn a_skipped_watch_event_is_found_out() {
    is_found_out(Rule::CatchUpFromStart, 5, &["watch resumable", "watch reliable"]);
}

#[test]
fn a_compaction_past_a_watcher_is_found_out() {
    is_found_out(Rule::TellCompacted, 10, &["watch resumable", "watch reliable"]);
}
