//! What a cluster does for its clients beyond what a recording of one member can show: leases across leaders, alarms that
//! members raise, tokens that travel, streams that are not read.

use std::sync::Arc;

use bytes::Bytes;
use control_plane_lab::etcd::api::*;
use control_plane_lab::etcd::auth::TokenKind;
use control_plane_lab::etcd::cluster::{AutoCompaction, Settings};
use control_plane_lab::etcd::error::{EtcdError, Status};
use control_plane_lab::etcd::wire::AuthToken;
use control_plane_lab::sim::{Fault, HostId, Micros};

use crate::conformance::engine::Engine;

const HOSTS: [HostId; 3] = [HostId(0), HostId(1), HostId(2)];

fn put(key: &str, value: impl Into<Bytes>, lease: i64) -> Request {
    Request::Put(PutRequest { key: key.to_owned().into(), value: value.into(), lease, ..Default::default() })
}

fn get(key: &str) -> Request {
    Request::Range(RangeRequest { key: key.to_owned().into(), ..Default::default() })
}

fn grant(id: i64, ttl: i64) -> Request {
    Request::LeaseGrant(LeaseGrantRequest { id, ttl })
}

fn keep_alive(engine: &mut Engine, host: HostId, id: i64) -> i64 {
    match engine.call_on(host, None, Request::LeaseKeepAlive(LeaseKeepAliveRequest { id })) {
        Ok(Response::LeaseKeepAlive(response)) => response.ttl,
        other => panic!("{other:?}"),
    }
}

fn time_to_live(engine: &mut Engine, host: HostId, id: i64) -> LeaseTimeToLiveResponse {
    match engine.call_on(host, None, Request::LeaseTimeToLive(LeaseTimeToLiveRequest { id, keys: true })) {
        Ok(Response::LeaseTimeToLive(response)) => response,
        other => panic!("{other:?}"),
    }
}

fn count(engine: &mut Engine, host: HostId, key: &str) -> i64 {
    match engine.call_on(host, None, get(key)) {
        Ok(Response::Range(response)) => response.count,
        other => panic!("{other:?}"),
    }
}

fn refused(error: EtcdError) -> Result<Response, Status> {
    Err(error.into())
}

#[test]
fn a_lease_is_counted_by_the_leader_and_asked_about_anywhere() {
    let mut engine = Engine::cluster(3, Settings::default());
    let leader = engine.leader().unwrap();
    engine.call_on(leader, None, grant(7, 10)).unwrap();
    engine.call_on(leader, None, put("k", "v", 7)).unwrap();
    engine.run_for(Micros::from_secs(6));
    for host in HOSTS {
        let left = time_to_live(&mut engine, host, 7);
        assert_eq!((left.ttl, left.granted_ttl, left.keys), (3, 10, vec![Bytes::from_static(b"k")]));
    }
    let follower = HOSTS.into_iter().find(|host| *host != leader).unwrap();
    assert_eq!(keep_alive(&mut engine, follower, 7), 10);
    assert_eq!(keep_alive(&mut engine, follower, 8), 0, "there is no such lease");
    engine.run_for(Micros::from_secs(9));
    assert_eq!(count(&mut engine, follower, "k"), 1);
    engine.run_for(Micros::from_secs(2));
    for host in HOSTS {
        assert_eq!(count(&mut engine, host, "k"), 0);
        assert_eq!(time_to_live(&mut engine, host, 7).ttl, -1);
    }
}

#[test]
fn a_new_leader_gives_a_lease_its_time_again() {
    let mut engine = Engine::cluster(3, Settings::default());
    let leader = engine.leader().unwrap();
    engine.call_on(leader, None, grant(7, 10)).unwrap();
    engine.call_on(leader, None, put("k", "v", 7)).unwrap();
    engine.run_for(Micros::from_secs(8));
    engine.stop(leader);
    engine.run_while(|engine| engine.leader().is_none());
    let next = engine.leader().unwrap();
    engine.run_for(Micros::from_secs(9));
    assert_eq!(count(&mut engine, next, "k"), 1, "it counts from the change of leader, and an election timeout more");
    engine.run_for(Micros::from_secs(4));
    assert_eq!(count(&mut engine, next, "k"), 0);
}

#[test]
fn a_checkpoint_survives_the_leader() {
    let settings = Settings { lease_checkpoint: true, ..Settings::default() };
    let mut engine = Engine::cluster(3, settings);
    let leader = engine.leader().unwrap();
    engine.call_on(leader, None, grant(7, 1_000)).unwrap();
    engine.run_for(Micros::from_secs(310));
    engine.stop(leader);
    engine.run_while(|engine| engine.leader().is_none());
    let next = engine.leader().unwrap();
    engine.run_for(Micros::from_secs(1));
    let left = time_to_live(&mut engine, next, 7).ttl;
    assert!((690..=702).contains(&left), "{left} s are left");
}

#[test]
fn what_is_asked_about_a_lease_without_a_leader_fails_in_time() {
    let mut engine = Engine::cluster(3, Settings::default());
    let leader = engine.leader().unwrap();
    engine.call_on(leader, None, grant(7, 100)).unwrap();
    let follower = HOSTS.into_iter().find(|host| *host != leader).unwrap();
    for host in HOSTS.into_iter().filter(|host| *host != follower) {
        engine.stop(host);
    }
    engine.run_for(Micros::from_secs(5));
    let asked = engine.ask(follower, None, Request::LeaseKeepAlive(LeaseKeepAliveRequest { id: 7 }));
    engine.run_for(Micros::from_secs(6));
    assert!(engine.answer(asked).is_none());
    engine.run_for(Micros::from_secs(2));
    assert_eq!(engine.answer(asked), Some(refused(EtcdError::NoLeader)));
}

#[test]
fn a_lease_that_has_ended_cannot_be_kept_alive_while_its_end_is_agreed_upon() {
    let mut engine = Engine::cluster(3, Settings::default());
    let leader = engine.leader().unwrap();
    engine.call_on(leader, None, grant(7, 2)).unwrap();
    engine.run_for(Micros::from_millis(1_900));
    // The others are cut off before the revocation can be agreed upon.
    let followers: Vec<HostId> = HOSTS.into_iter().filter(|host| *host != leader).collect();
    for follower in &followers {
        engine.inflict(Fault::Cut { from: leader, to: *follower, one_way: false });
    }
    engine.run_for(Micros::from_millis(200));
    let asked = engine.ask(leader, None, Request::LeaseKeepAlive(LeaseKeepAliveRequest { id: 7 }));
    engine.run_for(Micros::from_millis(400));
    assert!(engine.answer(asked).is_none(), "it may still be revoked, or belong to another leader");
    engine.inflict(Fault::HealAll);
    engine.run_while(|engine| engine.answer(asked).is_none());
    let Some(Ok(Response::LeaseKeepAlive(response))) = engine.answer(asked) else { panic!("no answer") };
    assert_eq!(response.ttl, 0);
}

#[test]
fn many_leases_end_at_the_rate_of_etcd() {
    let mut engine = Engine::start(Settings::default());
    for id in 1..=700 {
        engine.call(None, grant(id, 2)).unwrap();
    }
    engine.run_while(|engine| engine.member().store().kv().lessor.iter().count() == 700);
    engine.run_for(Micros::from_millis(400));
    assert_eq!(engine.member().store().kv().lessor.iter().count(), 200, "500 are revoked in one beat");
    engine.run_for(Micros::from_millis(500));
    assert!(engine.member().store().kv().lessor.is_empty());
}

#[test]
fn a_full_database_is_known_to_all_members() {
    let settings = Settings { quota_backend_bytes: 200_000, ..Settings::default() };
    let mut engine = Engine::cluster(3, settings);
    let leader = engine.leader().unwrap();
    let follower = HOSTS.into_iter().find(|host| *host != leader).unwrap();
    let large = || put("k", vec![b'x'; 50_000], 0);
    let mut puts = 0;
    let error = loop {
        match engine.call_on(follower, None, large()) {
            Ok(_) => puts += 1,
            Err(status) => break status,
        }
    };
    assert_eq!((puts, error), (3, EtcdError::NoSpace.into()));
    for host in HOSTS {
        assert_eq!(engine.call_on(host, None, put("a", "b", 0)), refused(EtcdError::NoSpace));
        let Ok(Response::Status(status)) = engine.call_on(host, None, Request::Status(StatusRequest {})) else {
            panic!("no status");
        };
        let raiser = engine.member_on(follower).id().0;
        assert_eq!(status.errors, [format!("memberID:{raiser} alarm:NOSPACE ")]);
    }
    let revision = engine.member_on(leader).store().kv().revision();
    engine.call_on(leader, None, Request::Compact(CompactionRequest { revision, physical: true })).unwrap();
    for host in HOSTS {
        engine.call_on(host, None, Request::Defragment(DefragmentRequest {})).unwrap();
    }
    let lift = AlarmRequest {
        action: AlarmAction::Deactivate as i32,
        member_id: engine.member_on(follower).id().0,
        alarm: AlarmType::NoSpace as i32,
    };
    engine.call_on(leader, None, Request::Alarm(lift)).unwrap();
    engine.call_on(follower, None, put("a", "b", 0)).unwrap();
}

#[test]
fn a_restarted_member_holds_what_it_held_before() {
    let settings = Settings { quota_backend_bytes: 200_000, ..Settings::default() };
    let mut engine = Engine::start(settings);
    for _ in 0..3 {
        engine.call(None, put("k", vec![b'x'; 50_000], 0)).unwrap();
    }
    let revision = engine.member().store().kv().revision();
    engine.call(None, Request::Compact(CompactionRequest { revision, physical: true })).unwrap();
    engine.call(None, Request::Defragment(DefragmentRequest {})).unwrap();
    let size = engine.member().store().kv().db_size();
    let alarm = |action: AlarmAction, alarm: AlarmType| {
        Request::Alarm(AlarmRequest { action: action as i32, member_id: 5, alarm: alarm as i32 })
    };
    // Lifting the one lifts the other as well, until a restart; what was written meanwhile stays written.
    engine.call(None, alarm(AlarmAction::Activate, AlarmType::NoSpace)).unwrap();
    engine.call(None, alarm(AlarmAction::Activate, AlarmType::Corrupt)).unwrap();
    engine.call(None, alarm(AlarmAction::Deactivate, AlarmType::Corrupt)).unwrap();
    engine.call(None, put("a", "1", 0)).unwrap();
    for _ in 0..2 {
        engine.restart();
        assert_eq!(engine.member().store().kv().db_size(), size);
        assert_eq!(engine.call(None, put("a", "2", 0)), refused(EtcdError::NoSpace));
        assert_eq!(count(&mut engine, HostId(0), "a"), 1);
    }
}

fn with_root(engine: &mut Engine) {
    let add = AuthUserAddRequest { name: "root".into(), password: "r".into(), ..Default::default() };
    engine.call(None, Request::UserAdd(add)).unwrap();
    let grant = AuthUserGrantRoleRequest { user: "root".into(), role: "root".into() };
    engine.call(None, Request::UserGrantRole(grant)).unwrap();
    engine.call(None, Request::AuthEnable(AuthEnableRequest {})).unwrap();
}

fn log_in(engine: &mut Engine, host: HostId) -> AuthToken {
    let login = AuthenticateRequest { name: "root".into(), password: "r".into() };
    match engine.call_on(host, None, Request::Authenticate(login)) {
        Ok(Response::Authenticate(response)) => Some(Arc::from(response.token)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_is_good_at_every_member_and_waits_for_one_that_lags() {
    let mut engine = Engine::cluster(3, Settings::default());
    with_root(&mut engine);
    let leader = engine.leader().unwrap();
    let token = log_in(&mut engine, leader);
    for host in HOSTS {
        engine.call_on(host, token.clone(), get("a")).unwrap();
    }
    // A member that has not applied the entry of a token yet lets its owner wait.
    let behind = HOSTS.into_iter().find(|host| *host != leader).unwrap();
    engine.inflict(Fault::Cut { from: leader, to: behind, one_way: true });
    let token = log_in(&mut engine, leader);
    let range = RangeRequest { key: "a".into(), serializable: true, ..Default::default() };
    let asked = engine.ask(behind, token, Request::Range(range));
    engine.run_for(Micros::from_millis(500));
    assert!(engine.answer(asked).is_none());
    engine.inflict(Fault::HealAll);
    engine.run_while(|engine| engine.answer(asked).is_none());
    assert!(engine.answer(asked).unwrap().is_ok());
    let never = Some(Arc::from("word.18446744073709551615"));
    let asked = engine.ask(behind, never, get("a"));
    engine.run_for(Micros::from_secs(20));
    assert!(engine.answer(asked).is_none(), "that entry never comes");
}

#[test]
fn a_token_is_forgotten_when_it_is_not_used() {
    let mut engine = Engine::start(Settings::default());
    with_root(&mut engine);
    let token = log_in(&mut engine, HostId(0));
    for _ in 0..3 {
        engine.run_for(Micros::from_secs(299));
        engine.call(token.clone(), get("a")).unwrap();
    }
    engine.run_for(Micros::from_secs(302));
    assert_eq!(engine.call(token, get("a")), refused(EtcdError::InvalidAuthToken));
}

#[test]
fn a_web_token_survives_a_restart_but_not_a_change_of_rights() {
    let settings = Settings { auth_token: TokenKind::Jwt, ..Settings::default() };
    let mut engine = Engine::start(settings);
    with_root(&mut engine);
    let token = log_in(&mut engine, HostId(0));
    engine.call(token.clone(), get("a")).unwrap();
    engine.restart();
    engine.call(token.clone(), get("a")).unwrap();
    let add = AuthUserAddRequest { name: "other".into(), password: "o".into(), ..Default::default() };
    engine.call(token.clone(), Request::UserAdd(add)).unwrap();
    assert_eq!(engine.call(token, get("a")), refused(EtcdError::AuthOldRevision));
}

#[test]
fn a_lease_ends_for_all_its_keys_while_authentication_is_on() {
    let mut engine = Engine::start(Settings::default());
    with_root(&mut engine);
    let token = log_in(&mut engine, HostId(0));
    engine.call(token.clone(), grant(7, 2)).unwrap();
    engine.call(token.clone(), put("k", "v", 7)).unwrap();
    engine.run_for(Micros::from_secs(4));
    let Ok(Response::Range(response)) = engine.call(token, get("k")) else { panic!("no answer") };
    assert_eq!(response.count, 0);
}

#[test]
fn a_stream_that_is_not_read_holds_nobody_back_and_misses_nothing() {
    let mut engine = Engine::start(Settings::default());
    let (slow, fast) = (engine.open_stream(), engine.open_stream());
    for stream in [slow, fast] {
        let create = WatchCreateRequest { key: "k".into(), ..Default::default() };
        engine.ask_stream(stream, None, WatchRequestKind::Create(create));
    }
    engine.run_for(Micros::from_millis(5));
    engine.told(slow);
    engine.deaf = true;
    for _ in 0..400 {
        engine.call(None, put("k", vec![b'x'; 1_000], 0)).unwrap();
    }
    assert_eq!(engine.member().store().victims(), 2);
    let revisions = |engine: &mut Engine, stream| -> Vec<i64> {
        let events = engine.told(stream).into_iter().flat_map(|response| response.events);
        events.map(|event| event.kv.expect("an event has its key").mod_revision).collect()
    };
    let before = revisions(&mut engine, slow);
    assert!((60..100).contains(&before.len()), "{} events fit into a window", before.len());
    engine.listen();
    engine.run_for(Micros::from_secs(1));
    let mut all = before;
    all.extend(revisions(&mut engine, slow));
    assert_eq!(all, Vec::from_iter(2..=401));
    assert_eq!((engine.member().store().victims(), engine.member().store().unsynced()), (0, 0));
}

#[test]
fn old_revisions_are_compacted_by_themselves() {
    let hour = Micros::from_secs(3_600);
    let settings = Settings { auto_compaction: AutoCompaction::Periodic(hour), ..Settings::default() };
    let mut engine = Engine::start(settings);
    for minute in 0..130 {
        engine.call(None, put("k", minute.to_string(), 0)).unwrap();
        engine.run_for(Micros::from_secs(60));
    }
    let compacted = engine.member().store().kv().compact_revision();
    assert!((54..=60).contains(&compacted), "the second time goes up to minute 54, not revision {compacted}");
    let settings = Settings { auto_compaction: AutoCompaction::Revision(10), ..Settings::default() };
    let mut engine = Engine::start(settings);
    for _ in 0..30 {
        engine.call(None, put("k", "v", 0)).unwrap();
    }
    engine.run_for(Micros::from_secs(299));
    assert_eq!(engine.member().store().kv().compact_revision(), -1);
    engine.run_for(Micros::from_secs(2));
    assert_eq!(engine.member().store().kv().compact_revision(), 21);
}

#[test]
fn a_member_that_holds_something_else_is_found_by_the_leader() {
    let settings = Settings { corrupt_check_time: Micros::from_secs(60), ..Settings::default() };
    let mut engine = Engine::cluster(3, settings);
    let leader = engine.leader().unwrap();
    let follower = HOSTS.into_iter().find(|host| *host != leader).unwrap();
    engine.call_on(leader, None, put("a", "1", 0)).unwrap();
    engine.run_for(Micros::from_secs(130));
    assert_eq!(engine.call_on(leader, None, put("a", "2", 0)).err(), None, "all is well");
    engine.run_for(Micros::from_secs(1));
    engine.rot(follower);
    engine.run_for(Micros::from_secs(61));
    for host in HOSTS {
        assert_eq!(engine.call_on(host, None, put("a", "3", 0)), refused(EtcdError::Corrupt));
        assert_eq!(count(&mut engine, host, "a"), 1, "reading goes on");
    }
    let Ok(Response::Status(status)) = engine.call_on(leader, None, Request::Status(StatusRequest {})) else {
        panic!("no status");
    };
    assert_eq!(status.errors, [format!("memberID:{} alarm:CORRUPT ", engine.member_on(follower).id().0)]);
}

#[test]
fn a_member_that_holds_something_else_does_not_start_again() {
    let settings = Settings { initial_corrupt_check: true, ..Settings::default() };
    let mut engine = Engine::cluster(3, settings);
    let leader = engine.leader().unwrap();
    engine.call_on(leader, None, put("a", "1", 0)).unwrap();
    engine.run_for(Micros::from_secs(1));
    let followers: Vec<HostId> = HOSTS.into_iter().filter(|host| *host != leader).collect();
    engine.rot(followers[0]);
    for host in &followers {
        engine.stop(*host);
        engine.boot(*host);
        engine.run_for(Micros::from_secs(1));
    }
    let runs: Vec<bool> = followers.iter().map(|host| engine.runs(*host)).collect();
    assert_eq!(runs, [false, true]);
}
