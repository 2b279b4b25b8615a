//! Flows, seats and queues, in virtual time.

use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::queues::deal;
use super::{Arrival, FlowControl, MaxInFlight, Rejection, RequestId, Work, bootstrap, list_work, write_work};
use crate::k8s::apiserver::attributes::{Attributes, User};
use crate::k8s::apiserver::testing::Objects;

const PLAIN: Work = Work { initial_seats: 1, final_seats: 0, additional_latency: Duration::ZERO };

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn with_bootstrap(limit: u32) -> FlowControl {
    let mut objects = Objects::default();
    bootstrap::objects().iter().for_each(|object| objects.add(object.clone()));
    let mut control = FlowControl::new(limit);
    control.configure(&objects, Duration::ZERO);
    control
}

fn attributes(user: &str, groups: &[&str], verb: &str, resource: &str, namespace: &str) -> Attributes {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    Attributes {
        user: Arc::new(User { name: user.to_owned(), groups, ..User::default() }),
        verb: verb.to_owned(),
        is_resource: true,
        group: group.to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        ..Attributes::default()
    }
}

#[test]
fn requests_find_their_level() {
    let control = with_bootstrap(600);
    let check = |user: &str, groups: &[&str], verb: &str, resource: &str, namespace: &str, expect: [&str; 3]| {
        let found = control.classify(&attributes(user, groups, verb, resource, namespace));
        assert_eq!([&found.schema[..], &found.level, &found.distinguisher], expect);
    };
    let some = ["system:authenticated"];
    check("anna", &some, "list", "pods", "", ["global-default", "global-default", "anna"]);
    check("root", &["system:masters"], "list", "pods", "", ["exempt", "exempt", ""]);
    let nodes = ["system:nodes", "system:authenticated"];
    check(
        "system:node:n1",
        &nodes,
        "update",
        "leases.coordination.k8s.io",
        "kube-node-lease",
        ["system-node-high", "node-high", "system:node:n1"],
    );
    check("system:node:n1", &nodes, "get", "secrets", "default", ["system-nodes", "system", "system:node:n1"]);
    let scheduler = "system:kube-scheduler";
    check(
        scheduler,
        &some,
        "update",
        "leases.coordination.k8s.io",
        "kube-system",
        ["system-leader-election", "leader-election", scheduler],
    );
    check(scheduler, &some, "create", "pods", "default", ["kube-scheduler", "workload-high", "default"]);
    let accounts = ["system:serviceaccounts", "system:authenticated"];
    let robot = "system:serviceaccount:default:robot";
    check(robot, &accounts, "get", "pods", "default", ["service-accounts", "workload-low", robot]);
    let dns = "system:serviceaccount:kube-system:coredns";
    let place = ["workload-leader-election", "leader-election", dns];
    check(dns, &accounts, "get", "configmaps", "kube-system", place);
    let endpoints = "system:serviceaccount:kube-system:endpoint-controller";
    let place = ["endpoint-controller", "workload-high", endpoints];
    check(endpoints, &accounts, "update", "endpoints", "default", place);
    let probe =
        Attributes { is_resource: false, path: "/readyz/etcd".to_owned(), ..attributes("", &some, "get", "", "") };
    assert_eq!(control.classify(&probe).schema, "probes");
}

#[test]
fn seats_by_shares() {
    let control = with_bootstrap(600);
    let nominal: BTreeMap<String, u32> =
        control.levels().into_iter().map(|level| (level.name, level.nominal_limit)).collect();
    let expect = [
        ("catch-all", 13),
        ("exempt", 0),
        ("global-default", 49),
        ("leader-election", 25),
        ("node-high", 98),
        ("system", 74),
        ("workload-high", 98),
        ("workload-low", 245),
    ];
    assert_eq!(nominal, expect.into_iter().map(|(name, seats)| (name.to_owned(), seats)).collect());
}

/// By upstream's own example: 128 queues, hands of six.
#[test]
fn hands_are_dealt_without_doubles() {
    assert_eq!(deal(0, 128, 3), [0, 1, 2]);
    assert_eq!(deal(128 * 127 - 1, 128, 3), [127, 126, 0]);
    for hash in (0..2000_u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
        let mut hand = deal(hash, 64, 6);
        hand.sort_unstable();
        hand.dedup();
        assert_eq!(hand.len(), 6);
        assert!(hand.iter().all(|queue| *queue < 64));
    }
}

/// A level of two seats with `queues` queues.
fn small(queues: usize, length: usize) -> FlowControl {
    let mut objects = Objects::default();
    let queuing = json!({"queues": queues, "handSize": 1, "queueLengthLimit": length});
    let limited = json!({"nominalConcurrencyShares": 100_000, "limitResponse": {"type": "Queue", "queuing": queuing}});
    objects.add(json!({
        "kind": "PriorityLevelConfiguration", "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "metadata": {"name": "small"}, "spec": {"type": "Limited", "limited": limited},
    }));
    let everything =
        json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": true});
    let subjects = json!([{"kind": "Group", "group": {"name": "*"}}]);
    objects.add(json!({
        "kind": "FlowSchema", "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "metadata": {"name": "all"},
        "spec": {
            "priorityLevelConfiguration": {"name": "small"}, "matchingPrecedence": 5,
            "distinguisherMethod": {"type": "ByUser"}, "rules": [{"subjects": subjects, "resourceRules": [everything]}],
        },
    }));
    let mut control = FlowControl::new(2);
    control.configure(&objects, Duration::ZERO);
    control
}

fn arrive(control: &mut FlowControl, id: u64, user: &str, now: Duration) -> Arrival {
    let place = control.classify(&attributes(user, &["g"], "get", "pods", "default"));
    assert_eq!(place.level, "small");
    control.arrive(RequestId(id), place, PLAIN, now).state
}

#[test]
fn full_queues_turn_away() {
    let mut control = small(1, 2);
    let states: Vec<Arrival> = (0..5).map(|id| arrive(&mut control, id, "anna", at(0))).collect();
    let full = Arrival::Rejected(Rejection::QueueFull);
    assert_eq!(states, [Arrival::Executing, Arrival::Executing, Arrival::Queued, Arrival::Queued, full]);
    let finished = control.finished(RequestId(0), at(3));
    assert_eq!(finished.dispatched, [RequestId(2)]);
    // Once is enough.
    assert!(control.finished(RequestId(0), at(4)).dispatched.is_empty());
    assert!(control.timed_out(RequestId(3), at(5)));
    assert!(!control.timed_out(RequestId(2), at(5)));
    let level = control.levels().into_iter().find(|level| level.name == "small").unwrap();
    assert_eq!((level.executing, level.waiting, level.seats_in_use, level.rejected), (2, 0, 2, 2));
}

/// A crowd of one user's requests does not keep another's waiting.
#[test]
fn flows_take_turns() {
    let mut control = small(64, 100);
    for id in 0..40 {
        arrive(&mut control, id, "many", at(0));
    }
    assert_eq!(arrive(&mut control, 100, "one", at(1)), Arrival::Queued);
    let mut order = Vec::new();
    let mut executing = vec![RequestId(0), RequestId(1)];
    let mut now = 3;
    while let Some(id) = executing.pop() {
        let dispatched = control.finished(id, at(now)).dispatched;
        order.extend(dispatched.iter().map(|id| id.0));
        executing.extend(dispatched);
        now += 3;
    }
    assert_eq!(order.len(), 39);
    assert!(order.iter().position(|id| *id == 100).unwrap() < 3, "{order:?}");
}

#[test]
fn seats_linger() {
    let mut control = small(1, 10);
    let place = control.classify(&attributes("anna", &["g"], "create", "pods", "default"));
    let work = write_work(20, 2);
    assert_eq!(work, Work { initial_seats: 1, final_seats: 2, additional_latency: at(5) });
    assert_eq!(control.arrive(RequestId(1), place, work, at(0)).state, Arrival::Executing);
    assert_eq!(arrive(&mut control, 2, "anna", at(1)), Arrival::Queued);
    let finished = control.finished(RequestId(1), at(2));
    assert_eq!((finished.dispatched, finished.release_at), (vec![], Some(at(7))));
    assert_eq!(control.released(RequestId(1), at(7)), [RequestId(2)]);
}

#[test]
fn idle_levels_lend() {
    let mut control = with_bootstrap(600);
    let limit = |control: &FlowControl, name: &str| {
        control.levels().into_iter().find(|level| level.name == name).unwrap().current_limit
    };
    let place = control.classify(&attributes("anna", &["system:authenticated"], "list", "pods", ""));
    for id in 0..250 {
        control.arrive(RequestId(id), place.clone(), PLAIN, at(0));
    }
    control.adjust(at(10_000));
    assert!(limit(&control, "global-default") > 200, "{}", limit(&control, "global-default"));
    assert!(limit(&control, "workload-low") >= 24, "a tenth of its seats it keeps");
    let total: u32 = control.levels().iter().map(|level| level.current_limit).sum();
    assert!((595..=605).contains(&total), "{total}");
}

#[test]
fn a_level_that_is_gone_serves_whom_it_has() {
    let mut control = small(1, 2);
    for id in 0..3 {
        arrive(&mut control, id, "anna", at(0));
    }
    control.configure(&Objects::default(), at(1));
    assert_eq!(control.classify(&attributes("anna", &["system:authenticated"], "get", "pods", "")).level, "catch-all");
    assert_eq!(control.finished(RequestId(0), at(2)).dispatched, [RequestId(2)]);
    control.finished(RequestId(1), at(3));
    assert!(control.levels().iter().any(|level| level.name == "small"));
    control.finished(RequestId(2), at(4));
    assert!(!control.levels().iter().any(|level| level.name == "small"));
}

#[test]
fn what_lists_cost() {
    let seats = |stored, limit, is_from_cache, is_filtered| {
        list_work(stored, limit, is_from_cache, is_filtered, 10).initial_seats
    };
    assert_eq!(seats(Some(0), 0, true, false), 1);
    assert_eq!(seats(Some(450), 0, true, true), 5);
    assert_eq!(seats(Some(450), 100, false, false), 2);
    assert_eq!(seats(Some(450), 100, false, true), 6);
    assert_eq!(seats(Some(100_000), 0, true, false), 10);
    assert_eq!(seats(None, 0, true, false), 10);
}

#[test]
fn so_many_at_a_time() {
    let mut server = MaxInFlight { writes_max: 1, ..MaxInFlight::default() };
    let anna = attributes("anna", &[], "create", "pods", "default");
    let root = attributes("root", &["system:masters"], "create", "pods", "default");
    assert!(server.arrive(RequestId(1), &anna));
    assert!(!server.arrive(RequestId(2), &anna));
    assert!(server.arrive(RequestId(3), &root));
    assert!(server.arrive(RequestId(4), &attributes("anna", &[], "watch", "pods", "default")));
    server.finished(RequestId(1));
    assert!(server.arrive(RequestId(5), &anna));
}

#[test]
fn specs_are_kept_unless_somebody_minds() {
    let system = bootstrap::objects().iter().find(|object| object["metadata"]["name"] == "system").unwrap();
    assert_eq!(bootstrap::reconcile(system, Some(system)), None);
    let mut changed = system.clone();
    changed["spec"]["limited"]["nominalConcurrencyShares"] = 1.into();
    assert_eq!(bootstrap::reconcile(system, Some(&changed)).as_ref(), Some(system));
    changed["metadata"]["annotations"]["apf.kubernetes.io/autoupdate-spec"] = "false".into();
    assert_eq!(bootstrap::reconcile(system, Some(&changed)), None);
}
