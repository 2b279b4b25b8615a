//! The world as a whole: same inputs, same bytes; rewind and branches.

use control_plane_lab::lab::archive::Archive;
use control_plane_lab::lab::{Input, Scenario, Timeline};
use control_plane_lab::sim::{Fault, HostId, Micros, Ppm, Prng, SimTime};
use std::fs;
use std::path::PathBuf;

fn typed(terminal: u8, text: &str) -> Input {
    Input::Line { terminal, text: text.to_owned() }
}

fn timeline_at(seconds: u64) -> Timeline {
    let mut timeline = Timeline::new(Scenario::default(), 7);
    timeline.run_until(SimTime(seconds * 1_000_000), u64::MAX);
    timeline
}

/// A life of 200 inputs: commands on both terminals, and faults between them.
fn two_hundred_inputs() -> Timeline {
    let mut timeline = timeline_at(1);
    let mut prng = Prng::stream(200, "inputs");
    for number in 0..200 {
        let pause = prng.span(Micros::from_millis(400));
        let end = timeline.lab().now() + pause;
        timeline.run_until(end, u64::MAX);
        let host = HostId(prng.below(3) as u16);
        let other = HostId((host.0 + 1) % 4);
        let key = prng.below(9);
        timeline.act(match prng.below(16) {
            0 => Input::Fault(Fault::PowerOff { host }),
            1 | 2 => Input::Fault(Fault::PowerOn { host }),
            3 => Input::Fault(Fault::Restart { host }),
            4 => Input::Fault(Fault::Cut { from: host, to: other, one_way: key.is_multiple_of(2) }),
            5 | 6 => Input::Fault(Fault::HealAll),
            7 => Input::Fault(Fault::Loss { from: host, to: other, chance: Ppm(100_000) }),
            8 => Input::Fault(Fault::SlowDisk { host, factor: 1 + key as u32 }),
            9 => Input::Interrupt { terminal: 1 },
            10 => typed(1, "etcdctl watch --prefix k"),
            11 => typed(0, &format!("etcdctl get k{key} -w json")),
            12 => typed(0, &format!("etcdctl del k{key}")),
            13 => typed(0, "etcdctl endpoint status -w table"),
            _ => typed(0, &format!("etcdctl put k{key} 'value {number} → \\u{{00e9}}'")),
        });
    }
    let end = timeline.lab().now() + Micros::from_secs(10);
    timeline.run_until(end, u64::MAX);
    timeline
}

#[test]
fn the_recorded_inputs_end_in_the_recorded_state() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/lab");
    let (world, digest) = (folder.join("two-hundred-inputs.lab"), folder.join("two-hundred-inputs.hash"));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let timeline = two_hundred_inputs();
        fs::write(&world, Archive::of(&timeline).text()).unwrap();
        fs::write(&digest, timeline.lab().hash() + "\n").unwrap();
    }
    let archive = Archive::parse(&fs::read_to_string(&world).unwrap()).unwrap();
    assert_eq!(archive.inputs.len(), 200);
    // The browser's test opens the same file and compares with the same digest.
    assert_eq!(archive.open(None).unwrap().lab().hash(), fs::read_to_string(&digest).unwrap().trim());
}

#[test]
fn any_way_to_a_moment_is_the_same_moment() {
    let mut straight = timeline_at(2);
    straight.act(typed(0, "etcdctl put a 1"));
    straight.run_until(SimTime(9_000_000), u64::MAX);
    let hash = straight.lab().hash();

    let mut wandering = timeline_at(2);
    wandering.act(typed(0, "etcdctl put a 1"));
    // In small steps, a single event at a time, back and forth.
    for _ in 0..300 {
        wandering.step();
    }
    wandering.run_until(SimTime(20_000_000), 700);
    wandering.run_until(SimTime(20_000_000), u64::MAX);
    wandering.seek(SimTime(1_234_567));
    assert!(!wandering.at_tip());
    wandering.seek(SimTime(9_000_000));
    assert_eq!(wandering.lab().hash(), hash);
}

#[test]
fn acting_in_the_past_keeps_the_old_future() {
    let mut timeline = timeline_at(2);
    timeline.act(typed(0, "etcdctl put a first"));
    timeline.run_until(SimTime(6_000_000), u64::MAX);
    let old_future = timeline.lab().hash();
    timeline.seek(SimTime(1_900_000));
    timeline.act(typed(0, "etcdctl put a other"));
    timeline.run_until(SimTime(6_000_000), u64::MAX);
    assert_eq!(timeline.branches().len(), 2);
    assert_ne!(timeline.lab().hash(), old_future);
    assert!(timeline.switch(0));
    assert_eq!(timeline.lab().hash(), old_future);
    assert!(timeline.switch(1));
    timeline.seek(SimTime(1_000_000));
    timeline.seek(SimTime(6_000_000));
    assert!(timeline.at_tip());
}

#[test]
fn many_branches_are_bounded() {
    let mut timeline = timeline_at(2);
    for number in 0..40 {
        timeline.seek(SimTime(1_500_000));
        timeline.act(typed(0, &format!("etcdctl put a {number}")));
        timeline.run_until(SimTime(1_600_000), u64::MAX);
    }
    assert!(timeline.branches().len() <= control_plane_lab::lab::timeline::BRANCHES_MAX);
    assert!(timeline.switch(0));
}

#[test]
fn a_large_value_is_refused_and_ten_thousand_keys_are_not() {
    let mut timeline = timeline_at(2);
    let mut run = |line: &str| {
        timeline.act(typed(0, line));
        let end = timeline.lab().now() + Micros::from_secs(600);
        while timeline.lab().workstation().terminals()[0].is_running() && timeline.lab().now() < end {
            timeline.step();
        }
        let printed = timeline.lab().workstation().terminals()[0].scrollback().iter().rev();
        printed.take(3).map(|printed| printed.text.to_string()).collect::<Vec<_>>().join("|")
    };
    let refused = run(&format!("etcdctl put big {}", "x".repeat(2 << 20)));
    assert!(refused.contains("bash: line too long"), "{refused:.200}");
    // Numbers as lines: 1.6 MB and 2.1 MB.
    let refused = run("(seq 100000; seq 100000; seq 70000) | etcdctl put big");
    assert!(refused.contains("etcdserver: request is too large"), "{refused:.200}");
    let refused = run("(seq 100000; seq 100000; seq 100000; seq 100000) | etcdctl put big");
    assert!(refused.contains("trying to send message larger than max"), "{refused:.200}");
    assert!(run("etcdctl get big").contains("etcdctl get big"));
    let done = run("for i in $(seq 10000); do etcdctl put key-$i $i; done");
    assert!(done.contains("OK"), "{done:.200}");
    // The last answer may come before the last follower has applied.
    let end = timeline.lab().now() + Micros::from_secs(1);
    timeline.run_until(end, u64::MAX);
    for (_, member) in timeline.lab().members() {
        assert_eq!(member.store().kv().revision(), 10_001);
    }
}
