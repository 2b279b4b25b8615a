//! Worlds that begin from a snapshot of another cluster.

use crate::world::sound;
use bytes::Bytes;
use control_plane_lab::etcd::backend::Backend;
use control_plane_lab::etcd::mvcc::{KeySpan, KvStore, RangeOptions};
use control_plane_lab::lab::archive::Archive;
use control_plane_lab::lab::import::{self, Importer, SnapshotId, Turn};
use control_plane_lab::lab::{Import, Input, Lab, Scenario, Timeline};
use control_plane_lab::sim::{Fault, HostId, SimTime};

fn recorded() -> Bytes {
    Bytes::from_static(include_bytes!("../testdata/etcd/snapshots/snap_small.db"))
}

/// Larger, but with users and an alarm in the way of a simple put.
fn rich() -> Bytes {
    Bytes::from_static(include_bytes!("../testdata/etcd/snapshots/snap_rich.db"))
}

fn imported() -> Import {
    import::import(&recorded(), Scenario::default()).expect("a sound file")
}

/// A world that began from the file, in which a key was written and a member lost its power and got it back.
fn lived(import: &Import) -> Timeline {
    let mut timeline = Timeline::begin(Lab::restored(Scenario::default(), 5, import), Vec::new());
    let seconds = |timeline: &mut Timeline, until: u64| timeline.run_until(SimTime(until * 1_000_000), u64::MAX);
    seconds(&mut timeline, 3);
    timeline.act(Input::Line { terminal: 0, text: "etcdctl put after restored".to_owned() });
    seconds(&mut timeline, 5);
    timeline.act(Input::Fault(Fault::PowerOff { host: HostId(0) }));
    seconds(&mut timeline, 8);
    timeline.act(Input::Fault(Fault::PowerOn { host: HostId(0) }));
    seconds(&mut timeline, 12);
    timeline
}

#[test]
fn a_cluster_goes_on_from_the_snapshot_under_new_ids() {
    let import = imported();
    let import::Summary { revision, keys, .. } = import.summary();
    assert!(revision > 1 && keys > 0);
    let timeline = lived(&import);
    let lab = timeline.lab();
    sound(lab);
    assert_eq!(lab.members().count(), 3);
    let printed: String =
        lab.workstation().terminals()[0].scrollback().iter().map(|piece| piece.text.as_ref()).collect();
    assert!(printed.ends_with("OK\n"), "{printed}");
    assert_ne!(lab.cluster().id, Scenario::default().cluster().id);
    for (_, member) in lab.members() {
        let kv = member.store().kv();
        assert_eq!(kv.get(b"after").expect("it was written").mod_revision, revision + 1);
        let all = kv.range(KeySpan::From(b"\0"), RangeOptions::default()).expect("the present");
        assert_eq!(all.count, keys + 1);
        assert_eq!(kv.hash_kv(0), lab.members().next().expect("one runs").1.store().kv().hash_kv(0));
    }
}

#[test]
fn a_saved_world_names_the_file_and_opens_beside_it() {
    let import = imported();
    let timeline = lived(&import);
    let text = Archive::of(&timeline).text();
    assert!(text.contains(&format!("\nsnapshot {}\n", import.id)), "{text}");
    let archive = Archive::parse(&text).expect("what was just written");
    assert_eq!(archive.clone().open(Some(&imported())).expect("the file is there").lab().hash(), timeline.lab().hash());
    let refused = archive.clone().open(None).expect_err("the file is not there");
    assert!(refused.contains("open that file first") && refused.contains(&import.id.to_string()), "{refused}");
    let five = Scenario { members: 5, ..Scenario::default() };
    let other = import::import(&recorded(), five).expect("a sound file");
    assert!(archive.open(Some(&other)).is_err(), "it was restored for another cluster");
    assert!(Archive::parse("control-plane-lab 1\nsnapshot 12").expect_err("no hash").contains("expected a SHA-256"));
}

#[test]
fn it_is_taken_in_a_little_at_a_time() {
    let file = rich();
    let mut importer = Importer::new(Scenario::default(), file.len() as u64).expect("a fair length");
    while let Some(range) = importer.wants() {
        importer.supply(file.slice(range.start as usize..range.end as usize));
    }
    let (mut turns, mut share) = (0, 0);
    let import = loop {
        match importer.run(1).expect("a sound file") {
            Turn::Done(import) => break import,
            Turn::Paused(now) => {
                assert!((share..=1_000).contains(&now), "{share} and then {now}");
                (turns, share) = (turns + 1, now);
            }
        }
    };
    assert!(turns > 100, "{turns}");
    assert_eq!(import.summary(), import::import(&rich(), Scenario::default()).expect("a sound file").summary());
    assert_eq!(import.summary().alarms, ["NOSPACE"]);
    assert!(import.summary().auth_enabled);
    assert_eq!(Some(import.id), SnapshotId::at_end_of(&file));
    assert_eq!(SnapshotId::parse(&import.id.to_string()), Some(import.id));
}

/// Values of a hundred bytes, of a kilobyte, of which a page holds few, and of a megabyte.
#[test]
fn a_turn_is_short_however_few_keys_a_page_holds() {
    for (keys, value) in [(6_000, 100), (2_000, 1_000), (20, 1_000_000)] {
        let mut store = KvStore::default();
        for i in 0..keys {
            let mut txn = store.write();
            txn.put(&format!("key-{i:06}").into(), vec![b'v'; value].into(), 0);
            txn.end();
        }
        let file = Backend::new(store).snapshot().expect("short keys");
        let mut importer = Importer::new(Scenario::default(), file.len() as u64).expect("a fair length");
        while let Some(range) = importer.wants() {
            importer.supply(file.slice(range.start as usize..range.end as usize));
        }
        let (mut longest, mut share) = (0, importer.share());
        while let Turn::Paused(now) = importer.run(50).expect("a sound file") {
            (longest, share) = (longest.max(now.saturating_sub(share)), now);
        }
        // Two large values on a page are a thirtieth of the work.
        assert!(longest < 50, "{longest} thousandths in a turn, values of {value} bytes");
    }
}

#[test]
fn what_is_damaged_or_none_is_refused_with_the_reason() {
    let refused = |file: &[u8]| import::import(&Bytes::copy_from_slice(file), Scenario::default()).expect_err("no use");
    let file = rich();
    let mut flipped = file.to_vec();
    flipped[5_000] ^= 1;
    assert!(refused(&flipped).starts_with("expected sha256 ["));
    assert_eq!(refused(&file[..file.len() - 32]), "snapshot missing hash but --skip-hash-check=false");
    assert_eq!(refused(b"short"), "invalid argument");
    // The hash fits, the database does not: the page and what is wrong with it.
    let len = file.len() - 32;
    flipped.truncate(len);
    flipped[8_192 + 8] = 0x55;
    let sealed = control_plane_lab::etcd::backend::seal(&flipped.into());
    assert!(refused(&sealed).contains("page "), "{}", refused(&sealed));
    assert!(Importer::new(Scenario::default(), 1 << 40).expect_err("too large").contains("at most"));
}
