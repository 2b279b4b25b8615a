//! Alerts over the history of members' metrics, named as in etcd's own mixin for Prometheus. Worlds live for minutes, so
//! windows are shorter here.
//!
//! Upstream: `contrib/mixin` of etcd.

use super::{Measured, Series, Unit};
use crate::lab::Lab;
use crate::lab::gauges::Sample;
use crate::sim::SimTime;
use imbl::Vector;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub name: &'static str,
    pub severity: &'static str,
    /// The rule as Prometheus would have it.
    pub rule: &'static str,
    /// What it means.
    pub meaning: &'static str,
    pub firing: Vec<Firing>,
}

/// Whom an alert is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// A member, or the whole cluster.
    pub who: String,
    /// The value that is too much or too little.
    pub value: String,
    /// Since when it has been.
    pub since: SimTime,
}

const FSYNC_MAX: u64 = 100_000;
/// In hundredths of the quota.
const QUOTA_MAX: u64 = 95;
const LEADER_CHANGES_MAX: u64 = 3;
const LEADER_CHANGES_OVER: usize = 60;

/// What is wrong with one member in one sample, if it is: the value.
type Condition = fn(&Series, usize) -> Option<String>;

struct Rule {
    name: &'static str,
    severity: &'static str,
    rule: &'static str,
    meaning: &'static str,
    /// How many samples it must have been so.
    lasting: usize,
    condition: Condition,
}

const OF_MEMBERS: &[Rule] = &[
    Rule {
        name: "etcdMembersDown",
        severity: "warning",
        rule: "up == 0  for 3s",
        meaning: "Nothing answers there.",
        lasting: 3,
        condition: |series, at| series.reading(at).is_none().then(|| "down".to_owned()),
    },
    Rule {
        name: "etcdNoLeader",
        severity: "critical",
        rule: "etcd_server_has_leader == 0  for 3s",
        meaning: "The member knows of no leader: it can write nothing.",
        lasting: 3,
        condition: |series, at| (!series.reading(at)?.has_leader).then(|| "no leader".to_owned()),
    },
    Rule {
        name: "etcdHighNumberOfLeaderChanges",
        severity: "warning",
        rule: "increase(etcd_server_leader_changes_seen_total[1m]) > 3",
        meaning: "Elections keep the cluster from its work.",
        lasting: 1,
        condition: |series, at| {
            let changes = series.increase(at, LEADER_CHANGES_OVER, |reading| reading.leader_changes)?;
            (changes > LEADER_CHANGES_MAX).then(|| format!("{changes} in a minute"))
        },
    },
    Rule {
        name: "etcdHighFsyncDurations",
        severity: "warning",
        rule: "histogram_quantile(0.99, rate(etcd_disk_wal_fsync_duration_seconds_bucket[10s])) > 0.1",
        meaning: "The disk is too slow for the log: writes wait, heartbeats are late.",
        lasting: 1,
        condition: |series, at| series.fsync_p99(at).filter(|p99| *p99 > FSYNC_MAX).map(|p99| Unit::Micros.words(p99)),
    },
    Rule {
        name: "etcdDatabaseQuotaLowSpace",
        severity: "critical",
        rule: "etcd_mvcc_db_total_size_in_bytes / etcd_server_quota_backend_bytes * 100 > 95",
        meaning: "The database nears its quota: beyond it, only reads and deletions are served.",
        lasting: 1,
        condition: |series, at| {
            let reading = series.reading(at)?;
            let quota = u64::try_from(reading.quota).ok().filter(|quota| *quota > 0)?;
            let percent = u128::from(reading.db_size) * 100;
            let beyond = percent > u128::from(quota) * u128::from(QUOTA_MAX);
            beyond.then(|| format!("{}\u{a0}%", percent / u128::from(quota)))
        },
    },
];

/// Where a chart's values become an alert.
pub(super) fn limit(lab: &Lab, chart: &str) -> Option<u64> {
    match chart {
        "fsync" => Some(FSYNC_MAX),
        "size" => {
            let (_, member) = lab.members().next()?;
            u64::try_from(member.reading().quota).ok().map(|quota| quota / 100 * QUOTA_MAX)
        }
        _ => None,
    }
}

/// Every alert, those that fire first.
pub(super) fn of(samples: &Vector<Sample>, members: &[Measured]) -> Vec<Alert> {
    let of_members = OF_MEMBERS.iter().map(|rule| {
        let firing = members.iter().filter_map(|member| fires(samples, member, rule)).collect();
        let Rule { name, severity, rule, meaning, .. } = *rule;
        Alert { name, severity, rule, meaning, firing }
    });
    let mut alerts: Vec<Alert> = [insufficient(samples, members)].into_iter().chain(of_members).collect();
    alerts.sort_by_key(|alert| alert.firing.is_empty());
    alerts
}

fn fires(samples: &Vector<Sample>, member: &Measured, rule: &Rule) -> Option<Firing> {
    let series = Series { samples, host: member.host };
    let last = samples.len().checked_sub(1)?;
    let value = (rule.condition)(&series, last)?;
    let begin = (0..last).rev().take_while(|at| (rule.condition)(&series, *at).is_some()).last().unwrap_or(last);
    (last + 1 - begin >= rule.lasting).then(|| Firing { who: member.name.clone(), value, since: samples[begin].at })
}

/// Fewer members run than a majority needs. Only the first members of a cluster are known to the rule.
fn insufficient(samples: &Vector<Sample>, members: &[Measured]) -> Alert {
    let quorum = members.len() / 2 + 1;
    let up = |sample: &Sample| members.iter().filter(|member| sample.of(member.host).is_some()).count();
    let too_few = |sample: &&Sample| up(sample) < quorum;
    let since = samples.iter().rev().take_while(too_few).last();
    let who = || "the cluster".to_owned();
    let value = samples.last().map_or(0, up);
    let firing = since.map(|since| Firing { who: who(), value: format!("{value} up"), since: since.at });
    Alert {
        name: "etcdInsufficientMembers",
        severity: "critical",
        rule: "sum(up) < (count(up) + 1) / 2",
        meaning: "A majority does not run: nothing can be written.",
        firing: firing.into_iter().collect(),
    }
}
