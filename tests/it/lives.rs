//! Random lives: none breaks a promise, and every rule that is broken on purpose is found out.

use crate::conformance::engine::Engine;
use control_plane_lab::etcd::api::*;
use control_plane_lab::etcd::cluster::Settings;
use control_plane_lab::etcd::{Rule, Rules};
use control_plane_lab::lab::Scenario;
use control_plane_lab::lab::fuzz::{self, Outcome};
use control_plane_lab::sim::{Fault, HostId, Micros, Prng, SimTime};

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

/// With one rule broken some seed shows it by one of these checks; with the rule kept the same seed shows nothing.
#[track_caller]
fn is_found_out(rule: Rule, seeds: u64, checks: &[&str]) {
    let sound = Scenario::default();
    let broken = Scenario { rules: sound.rules.without(rule), ..sound };
    let shows = |outcome: &Outcome| outcome.problems.iter().any(|problem| checks.contains(&problem.check));
    let found = (1..=seeds).map(|seed| fuzz::run(seed, broken)).find(shows);
    let found = found.unwrap_or_else(|| panic!("{seeds} seeds do not show by {checks:?} what {} is for", rule.name()));
    println!("without {}: {}", rule.name(), listed(&found, &broken));
    let kept = fuzz::run(found.seed, sound);
    assert!(kept.problems.is_empty(), "{}", listed(&kept, &sound));
    let again = fuzz::run(found.seed, broken);
    assert_eq!((again.problems, again.lab.hash()), (found.problems, found.lab.hash()));
}

#[test]
fn a_lost_fsync_is_found_out() {
    is_found_out(Rule::FsyncBeforeAck, 30, &["state machine safety", "leader completeness", "recovery"]);
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

/// The life of one lease, kept alive at random moments around its end, while disks are so slow that its revocation takes a
/// while. A lease that was renewed lives on for its time to live from the moment at which that was asked.
fn lease_that_ended_too_soon(rules: Rules, seed: u64) -> Option<String> {
    const TTL: i64 = 2;
    let mut prng = Prng::stream(seed, "lease");
    let mut engine = Engine::cluster_under(3, Settings::default(), rules);
    let leader = engine.leader()?;
    engine.call_on(leader, None, Request::LeaseGrant(LeaseGrantRequest { id: 7, ttl: TTL })).ok()?;
    let put = PutRequest { key: "k".into(), value: "v".into(), lease: 7, ..Default::default() };
    engine.call_on(leader, None, Request::Put(put)).ok()?;
    for host in [0, 1, 2].map(HostId) {
        engine.inflict(Fault::SlowDisk { host, factor: 2_000 + prng.below(10_000) as u32 });
    }
    let mut kept_until = SimTime::ZERO;
    engine.run_for(Micros::from_secs(1));
    for _ in 0..8 {
        engine.run_for(prng.span(Micros::from_millis(1_500)));
        let asked_at = engine.now();
        let asked = engine.ask(leader, None, Request::LeaseKeepAlive(LeaseKeepAliveRequest { id: 7 }));
        engine.run_while(|engine| engine.answer(asked).is_none());
        if let Some(Ok(Response::LeaseKeepAlive(answer))) = engine.answer(asked)
            && answer.ttl > 0
        {
            kept_until = asked_at + Micros::from_secs(TTL as u64);
        }
        while engine.now() < kept_until {
            let read = RangeRequest { key: "k".into(), serializable: true, ..Default::default() };
            let read_at = engine.now();
            let Ok(Response::Range(found)) = engine.call_on(leader, None, Request::Range(read)) else { return None };
            if found.count == 0 && engine.now() < kept_until {
                return Some(format!("kept until {kept_until}, its key was gone at {read_at}"));
            }
            engine.run_for(Micros::from_millis(100));
        }
    }
    None
}

#[test]
fn a_lease_revived_after_its_end_is_found_out() {
    const SEEDS: u64 = 40;
    let broken = Rules::default().without(Rule::ExpiredStayExpired);
    let found = (1..=SEEDS).find_map(|seed| Some((seed, lease_that_ended_too_soon(broken, seed)?)));
    let (seed, what) = found.unwrap_or_else(|| panic!("{SEEDS} seeds do not show it"));
    println!("without {}: lease lives: seed {seed}: {what}", Rule::ExpiredStayExpired.name());
    println!("replay with: cargo test --no-default-features --test it a_lease_revived_after_its_end_is_found_out");
    for seed in 1..=SEEDS {
        assert_eq!(lease_that_ended_too_soon(Rules::default(), seed), None, "seed {seed}");
    }
}
