//! Members that fall behind, come back, come anew and go, seen from outside.

use crate::world::{follower, inflict, lab, run, sound, type_line};
use control_plane_lab::lab::{Input, Lab};
use control_plane_lab::sim::{Fault, HostId};

/// Every running member holds the same, and no promise was broken.
fn agree(lab: &Lab, members: usize) {
    sound(lab);
    let hash = |member: &control_plane_lab::etcd::Member| {
        (member.applied(), member.store().kv().revision(), member.store().kv().hash_kv(0).expect("the present"))
    };
    let held: Vec<_> = lab.members().map(|(_, member)| hash(member)).collect();
    assert_eq!(held.len(), members);
    assert!(held.windows(2).all(|pair| pair[0] == pair[1]), "{held:?}");
}

const SMALL: &str = "snapshot-count=20 snapshot-catchup-entries=5";
const WRITES: &str = "for i in $(seq 100); do etcdctl put key$i value$i > /dev/null; done";

#[test]
fn a_follower_too_far_behind_is_brought_up_by_a_snapshot() {
    let mut lab = lab(&format!("members=3 {SMALL}"));
    let follower = follower(&lab);
    inflict(&mut lab, Fault::PowerOff { host: follower });
    type_line(&mut lab, WRITES, 20_000);
    let (_, leader) = lab.members().next().expect("two run");
    assert!(leader.raft().first_index().0 > 80, "the log was compacted");
    inflict(&mut lab, Fault::PowerOn { host: follower });
    run(&mut lab, 3_000);
    let restored = lab.member(follower).expect("it runs");
    assert!(restored.raft().first_index().0 > 80, "it never saw the entries before the snapshot");
    agree(&lab, 3);
}

#[test]
fn a_restart_begins_with_the_database_and_not_with_the_log() {
    let mut lab = lab(&format!("members=3 {SMALL}"));
    type_line(&mut lab, WRITES, 20_000);
    for host in 0..3 {
        inflict(&mut lab, Fault::PowerOff { host: HostId(host) });
    }
    run(&mut lab, 1_000);
    for host in 0..3 {
        inflict(&mut lab, Fault::PowerOn { host: HostId(host) });
    }
    for (_, member) in lab.members() {
        assert!(member.raft().first_index().0 > 80 && member.applied().0 > 80, "{:?}", member.applied());
    }
    run(&mut lab, 3_000);
    agree(&lab, 3);
    assert!(type_line(&mut lab, "etcdctl get key7 --print-value-only", 500).ends_with("value7\n"));
}

#[test]
fn a_power_cut_at_any_moment_of_a_snapshot_loses_nothing() {
    for cut in 0..40 {
        let mut lab = lab(&format!("members=1 {SMALL}"));
        lab.input(&Input::Line { terminal: 0, text: WRITES.to_owned() });
        run(&mut lab, 300 + cut * 13);
        let before = lab.member(HostId(0)).expect("it runs").store().kv().revision();
        inflict(&mut lab, Fault::PowerOff { host: HostId(0) });
        inflict(&mut lab, Fault::PowerOn { host: HostId(0) });
        run(&mut lab, 5_000);
        let after = lab.member(HostId(0)).expect("it starts").store().kv().revision();
        assert!(after >= before, "revision {before} was acknowledged, {after} came back");
        agree(&lab, 1);
    }
}

#[test]
fn a_power_cut_at_any_moment_of_receiving_a_snapshot_leaves_a_member_that_starts() {
    let follower = HostId(2);
    let mut behind = lab(&format!("members=3 {SMALL}"));
    inflict(&mut behind, Fault::PowerOff { host: follower });
    type_line(&mut behind, WRITES, 20_000);
    inflict(&mut behind, Fault::SlowDisk { host: follower, factor: 50 });
    inflict(&mut behind, Fault::PowerOn { host: follower });
    let mut interrupted = 0;
    for cut in 0..120 {
        let mut lab = behind.clone();
        run(&mut lab, cut * 5);
        let file = |lab: &Lab| lab.sim().disk(follower).file("db.received").is_some();
        interrupted += u32::from(file(&lab));
        inflict(&mut lab, Fault::PowerOff { host: follower });
        inflict(&mut lab, Fault::SlowDisk { host: follower, factor: 1 });
        inflict(&mut lab, Fault::PowerOn { host: follower });
        run(&mut lab, 5_000);
        agree(&lab, 3);
    }
    assert!(interrupted > 5, "{interrupted} cuts met a snapshot that was being written");
}

const SEGMENTS: &str = "snapshot-count=20 snapshot-catchup-entries=5 segment-size-bytes=1024";

#[test]
fn a_log_in_segments_keeps_what_a_start_needs() {
    let mut lab = lab(&format!("members=3 {SEGMENTS}"));
    type_line(&mut lab, WRITES, 20_000);
    for host in [0, 1, 2].map(HostId) {
        let names: Vec<[u64; 2]> = lab.sim().disk(host).files("wal").map(|(name, _)| name.number).collect();
        assert!(names[0][0] > 3, "old segments went: {names:?}");
        assert!((5..9).contains(&names.len()), "{names:?}");
        inflict(&mut lab, Fault::PowerOff { host });
        inflict(&mut lab, Fault::PowerOn { host });
    }
    run(&mut lab, 3_000);
    agree(&lab, 3);
    assert!(type_line(&mut lab, "etcdctl get key100 --print-value-only", 500).ends_with("value100\n"));
}

#[test]
fn a_power_cut_at_any_moment_of_a_cut_segment_loses_nothing() {
    let host = HostId(0);
    let is_cutting = |lab: &Lab| lab.sim().disk(host).file("wal.tmp").is_some();
    let mut busy = lab("members=1 segment-size-bytes=1024");
    busy.input(&Input::Line { terminal: 0, text: WRITES.to_owned() });
    for later in 0..8 {
        step_until(&mut busy, is_cutting);
        let mut lab = busy.clone();
        (0..later % 4).for_each(|_| lab.step());
        let before = lab.member(host).expect("it runs").store().kv().revision();
        inflict(&mut lab, Fault::PowerOff { host });
        inflict(&mut lab, Fault::PowerOn { host });
        run(&mut lab, 5_000);
        let after = lab.member(host).expect("it starts").store().kv().revision();
        assert!(after >= before, "revision {before} was acknowledged, {after} came back");
        agree(&lab, 1);
        step_until(&mut busy, |lab| !is_cutting(lab));
    }
}

/// Goes on until the world is so.
fn step_until(lab: &mut Lab, is_so: impl Fn(&Lab) -> bool) {
    /// Many times what it takes from one segment to the next.
    const STEPS_MAX: u32 = 100_000;
    for _ in 0..STEPS_MAX {
        if is_so(lab) {
            return;
        }
        lab.step();
    }
    panic!("{STEPS_MAX} steps did not lead there");
}

/// Only the leader knows whether a learner is ready; whoever else is asked passes it on.
#[test]
fn any_member_can_be_asked_to_promote_a_learner() {
    let mut lab = lab("members=3 spares=1");
    run(&mut lab, 5_000);
    let spare = HostId(3);
    let follower = follower(&lab);
    let name = lab.scenario().host_names()[usize::from(follower.0)].clone();
    let added = type_line(&mut lab, "etcdctl member add etcd-4 --learner --peer-urls=http://etcd-4:2380", 1_000);
    let id = added.split("Member ").nth(1).and_then(|rest| rest.split(' ').next()).expect("its id").to_owned();
    let promote = format!("ETCDCTL_ENDPOINTS={name}:2379 etcdctl member promote {id}");
    let early = type_line(&mut lab, &promote, 1_000);
    assert!(early.contains("can only promote a learner member which is in sync with leader"), "{early}");
    inflict(&mut lab, Fault::Join { host: spare });
    run(&mut lab, 3_000);
    let promoted = type_line(&mut lab, &promote, 1_000);
    assert!(promoted.contains(&format!("Member {id} promoted in cluster")), "{promoted}");
    let again = type_line(&mut lab, &promote, 1_000);
    assert!(again.contains("can only promote a learner member"), "{again}");
    let unknown = type_line(&mut lab, &format!("ETCDCTL_ENDPOINTS={name}:2379 etcdctl member promote abc"), 1_000);
    assert!(unknown.contains("etcdserver: member not found"), "{unknown}");
    // A leader that cannot be reached is waited for as long as etcd waits.
    for host in (0..4).map(HostId).filter(|host| *host != follower) {
        inflict(&mut lab, Fault::Cut { from: follower, to: host, one_way: false });
    }
    let cut_off = type_line(&mut lab, &format!("{promote} --command-timeout=20s"), 12_000);
    assert!(cut_off.contains("etcdserver: no leader"), "{cut_off}");
}
