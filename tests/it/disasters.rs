//! What disks do to members, and what members say about it.

use crate::world::{follower, inflict, lab, run, sound, type_line};
use control_plane_lab::etcd;
use control_plane_lab::lab::{self, Lab, LastWords, Mark};
use control_plane_lab::projection::cluster::{MemberView, Standing};
use control_plane_lab::sim::{Fault, HostId, Part, What};

fn said(lab: &Lab, host: HostId) -> &str {
    lab.last_words(host).expect("it ended by itself").why()
}

/// To whoever is left, again if the first one asked dies of it.
const PUT: &str = "etcdctl put a 1 2> /dev/null || etcdctl put a 1";
const WRITES: &str = "for i in $(seq 20); do etcdctl put key$i value$i > /dev/null; done";

#[test]
fn a_member_dies_of_a_full_disk_until_there_is_room_again() {
    let mut lab = lab("members=3");
    let host = follower(&lab);
    let name = &lab.scenario().host_names()[usize::from(host.0)].clone();
    type_line(&mut lab, &format!("lab full-disk {name}"), 0);
    assert!(lab.member(host).is_some(), "nothing was written yet");
    assert!(type_line(&mut lab, PUT, 1_000).ends_with("OK\n"), "two are enough");
    let wal = format!("{name}.etcd/member/wal/0000000000000000-0000000000000000.wal");
    let log = format!("failed to save Raft hard state and entries: write {wal}: no space left on device");
    assert_eq!(said(&lab, host), log);
    let Standing::Down(down) = MemberView::of(&lab, host).state else { panic!("it is down") };
    assert_eq!((down.state, down.why.as_str()), ("stopped", log.as_str()));
    assert!(lab.chronicle().marks().iter().any(|stamped| matches!(stamped.mark, Mark::Stopped { .. })));

    inflict(&mut lab, Fault::Start { host });
    run(&mut lab, 5_000);
    assert!(lab.member(host).is_none());
    assert!(said(&lab, host).ends_with(": no space left on device"), "{}", said(&lab, host));

    inflict(&mut lab, Fault::FreeDisk { host });
    inflict(&mut lab, Fault::Start { host });
    run(&mut lab, 3_000);
    assert_eq!(lab.last_words(host), None);
    assert_eq!(lab.member(host).expect("it runs").store().kv().get(b"a").expect("it caught up").value, "1");
    sound(&lab);
}

#[test]
fn a_new_member_cannot_begin_on_a_full_disk() {
    let mut lab = lab("members=3");
    let host = follower(&lab);
    run(&mut lab, 5_000);
    inflict(&mut lab, Fault::FullDisk { host });
    inflict(&mut lab, Fault::Wipe { host });
    let name = lab.scenario().host_names()[usize::from(host.0)].clone();
    let id = format!("{:x}", lab.cluster().peer_on(host).expect("it was there from the beginning").id.0);
    type_line(&mut lab, &format!("etcdctl member remove {id}; sleep 6"), 8_000);
    let added = type_line(&mut lab, &format!("etcdctl member add {name} --peer-urls=http://{name}:2380"), 2_000);
    assert!(added.contains("added to cluster"), "{added}");
    inflict(&mut lab, Fault::Join { host });
    run(&mut lab, 2_000);
    assert!(said(&lab, host).starts_with("failed to create WAL: write "), "{}", said(&lab, host));
}

#[test]
fn a_process_that_died_leaves_no_timers_behind() {
    let ticks = |lab: &mut Lab| {
        let before = lab.sim().steps();
        run(lab, 10_000);
        lab.sim().steps() - before
    };
    let mut usual = lab("members=1");
    let host = HostId(0);
    inflict(&mut usual, Fault::Restart { host });
    let mut died = usual.clone();
    inflict(&mut died, Fault::FullDisk { host });
    type_line(&mut died, "etcdctl put a 1 --command-timeout=1s", 1_500);
    inflict(&mut died, Fault::FreeDisk { host });
    inflict(&mut died, Fault::Start { host });
    run(&mut died, 5_000);
    run(&mut usual, 6_500);
    let (usual, died) = (ticks(&mut usual), ticks(&mut died));
    assert!(died.abs_diff(usual) < usual / 20, "{died} things happened instead of {usual}");
}

#[test]
fn a_damaged_entry_is_refused_in_etcds_words() {
    let mut lab = lab("members=3");
    type_line(&mut lab, WRITES, 4_000);
    let host = follower(&lab);
    inflict(&mut lab, Fault::Damage { host, part: Part::Wal });
    run(&mut lab, 1_000);
    assert!(lab.member(host).is_some(), "a running process does not read its log");
    inflict(&mut lab, Fault::Restart { host });
    let refused = LastWords::Refused("failed to read WAL, cannot be repaired: walpb: crc mismatch".into());
    assert_eq!(lab.last_words(host), Some(&refused));
    assert!(type_line(&mut lab, "etcdctl put b 1", 1_000).ends_with("OK\n"));
    sound(&lab);
}

#[test]
fn a_torn_tail_is_cut_off_and_sent_again() {
    let mut lab = lab("members=3");
    type_line(&mut lab, WRITES, 4_000);
    let host = follower(&lab);
    inflict(&mut lab, Fault::Tear { host });
    assert!(!lab.sim().powered(host));
    type_line(&mut lab, "etcdctl put later 1", 1_000);
    inflict(&mut lab, Fault::PowerOn { host });
    let torn = |event: &control_plane_lab::lab::TraceEvent| match event.what {
        What::Fact(lab::Fact::Etcd(etcd::Fact::Started { torn_bytes, .. })) if event.host == host => Some(torn_bytes),
        _ => None,
    };
    let torn = lab.sim().trace().iter().rev().find_map(torn).expect("it starts");
    assert!(torn > 0);
    run(&mut lab, 3_000);
    assert!(
        lab.member(host).unwrap_or_else(|| panic!("{:?}", lab.last_words(host))).store().kv().get(b"later").is_some()
    );
    sound(&lab);
}

/// A bit of a value flips; nobody notices until members compare their hashes.
#[test]
fn a_damaged_database_is_noticed_by_the_check() {
    for killed in [false, true] {
        let mut lab = lab("members=3 experimental-corrupt-check-time=10s");
        type_line(&mut lab, WRITES, 4_000);
        let host = follower(&lab);
        if killed {
            inflict(&mut lab, Fault::Kill { host });
        }
        inflict(&mut lab, Fault::Damage { host, part: Part::Db });
        inflict(&mut lab, Fault::Start { host });
        run(&mut lab, 3_000);
        let name = &lab.scenario().host_names()[usize::from(host.0)].clone();
        let held =
            type_line(&mut lab, &format!("ETCDCTL_ENDPOINTS={name}:2379 etcdctl get key20 --consistency=s"), 500);
        assert!(!held.contains("value20") && held.contains("alue20"), "{held}");
        run(&mut lab, 20_000);
        let alarms = type_line(&mut lab, "etcdctl alarm list", 500);
        assert!(alarms.contains("alarm:CORRUPT"), "{alarms}");
    }
}

#[test]
fn a_damaged_database_file_is_refused_or_differs() {
    let mut lab = lab("members=3 snapshot-count=20 snapshot-catchup-entries=5");
    let many = "for i in $(seq 60); do etcdctl put key$i value$i > /dev/null; done";
    type_line(&mut lab, many, 12_000);
    let host = follower(&lab);
    inflict(&mut lab, Fault::Kill { host });
    inflict(&mut lab, Fault::Damage { host, part: Part::Db });
    inflict(&mut lab, Fault::Start { host });
    run(&mut lab, 3_000);
    let hash = |member: &control_plane_lab::etcd::Member| member.store().kv().hash_kv(0).expect("the present");
    let sound = lab.members().find(|(other, _)| *other != host).map(|(_, member)| hash(member));
    match lab.member(host) {
        Some(member) => assert_ne!(Some(hash(member)), sound),
        None => assert!(said(&lab, host).starts_with("failed to open database: "), "{}", said(&lab, host)),
    }
}

#[test]
fn who_joins_too_early_says_why_it_does_not() {
    let mut lab = lab("members=3 spares=1");
    let spare = HostId(3);
    inflict(&mut lab, Fault::Start { host: spare });
    assert_eq!(said(&lab, spare), "couldn't find local name \"etcd-4\" in the initial cluster configuration");
    inflict(&mut lab, Fault::Join { host: spare });
    assert!(lab.is_joining(spare) && lab.last_words(spare).is_none());
    run(&mut lab, 1_000);
    let words = said(&lab, spare);
    assert!(words.starts_with("discovery failed: error validating peerURLs {ClusterID:"), "{words}");
    assert!(words.contains("RaftAttributes:{PeerURLs:[http://etcd-1:2380] IsLearner:false}"), "{words}");
    assert!(words.ends_with(" RemovedMemberIDs:[]}: member count is unequal"), "{words}");
    run(&mut lab, 3_000);
    type_line(&mut lab, "etcdctl member add etcd-4 --peer-urls=http://etcd-4:2380", 1_000);
    inflict(&mut lab, Fault::Join { host: spare });
    run(&mut lab, 3_000);
    assert!(lab.member(spare).is_some(), "{:?}", lab.last_words(spare));
}
