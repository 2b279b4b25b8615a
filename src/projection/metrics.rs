//! What members measured, as charts of the last minutes and as alerts over them: what a Prometheus and its rules would make
//! of the same metrics.

use super::words;
use crate::etcd::metrics::Reading;
use crate::lab::Lab;
use crate::lab::gauges::{EVERY, Sample};
use crate::sim::{HostId, Micros, SimTime};
use imbl::Vector;

pub mod alerts;

pub use alerts::{Alert, Firing};

/// How much of the past is shown.
pub const SHOWN: Micros = Micros::from_secs(300);
/// Rates are over this many samples, and quantiles, which need more to say something, over more.
const RATE: usize = 5;
const QUANTILE: usize = 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsView {
    pub from: SimTime,
    pub to: SimTime,
    pub members: Vec<Measured>,
    pub charts: Vec<Chart>,
    pub alerts: Vec<Alert>,
}

/// A machine that has lines in the charts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    pub host: HostId,
    pub name: String,
    pub runs: bool,
    pub leads: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    pub id: &'static str,
    pub title: &'static str,
    /// What one would ask Prometheus.
    pub query: &'static str,
    pub unit: Unit,
    /// By member, as in [`MetricsView::members`].
    pub lines: Vec<Line>,
    /// Where the scale ends; more than any value.
    pub top: u64,
    /// A value beyond which an alert fires, if it is on the scale.
    pub limit: Option<u64>,
}

/// The values of one member, the oldest first. `None` where it did not run or had nothing to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub host: HostId,
    pub values: Vec<(SimTime, Option<u64>)>,
}

impl Line {
    pub fn last(&self) -> Option<u64> {
        self.values.last()?.1
    }

    /// The value of the sample at or before a moment.
    pub fn at(&self, moment: SimTime) -> Option<u64> {
        let after = self.values.partition_point(|(at, _)| *at <= moment);
        self.values.get(after.checked_sub(1)?)?.1
    }
}

/// What a chart's whole numbers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Count,
    /// Thousandths of one in a second.
    MilliPerSecond,
    BytesPerSecond,
    Bytes,
    Micros,
}

impl Unit {
    pub fn words(self, value: u64) -> String {
        match self {
            Unit::Count => value.to_string(),
            Unit::MilliPerSecond => format!("{}\u{a0}/s", decimal(value, 1_000)),
            Unit::BytesPerSecond => format!("{}/s", words::bytes(value)),
            Unit::Bytes => words::bytes(value),
            Unit::Micros => words::span(Micros(value)),
        }
    }

    /// What a scale should at least reach.
    fn least(self) -> u64 {
        match self {
            Unit::Count => 4,
            Unit::MilliPerSecond => 1_000,
            Unit::BytesPerSecond | Unit::Bytes => 1_024,
            Unit::Micros => 1_000,
        }
    }

    /// Bytes are counted by the thousand and twenty-four.
    fn round_up(self, value: u64) -> u64 {
        let thousand = if matches!(self, Unit::Bytes | Unit::BytesPerSecond) { 1_024 } else { 1_000 };
        let mut magnitude = 1;
        while value >= magnitude * thousand {
            magnitude *= thousand;
        }
        let nice = [1, 2, 4, 5, 8, 10, 20, 40, 50, 80, 100, 200, 400, 500, 800];
        nice.iter().map(|step| step * magnitude).find(|step| *step > value).unwrap_or(thousand * magnitude)
    }
}

/// With one digit behind the point, if it is not a zero.
fn decimal(value: u64, unit: u64) -> String {
    let (whole, tenths) = (value / unit, value % unit * 10 / unit);
    if tenths > 0 && whole < 100 { format!("{whole}.{tenths}") } else { whole.to_string() }
}

/// The samples of one machine up to a moment, the newest last.
struct Series<'a> {
    samples: &'a Vector<Sample>,
    host: HostId,
}

/// What is measured, and how it becomes one number.
type Measure = fn(&Series, usize) -> Option<u64>;

/// Title, what one would ask Prometheus, the unit, and the number itself.
const CHARTS: &[(&str, &str, &str, Unit, Measure)] = &[
    (
        "fsync",
        "fsync of the log, p99",
        "histogram_quantile(0.99, rate(etcd_disk_wal_fsync_duration_seconds_bucket[10s]))",
        Unit::Micros,
        |series, at| series.fsync_p99(at),
    ),
    ("puts", "Puts", "rate(etcd_mvcc_put_total[5s])", Unit::MilliPerSecond, |series, at| {
        series.rate(at, 1_000, |reading| reading.puts)
    }),
    ("ranges", "Reads", "rate(etcd_mvcc_range_total[5s])", Unit::MilliPerSecond, |series, at| {
        series.rate(at, 1_000, |reading| reading.ranges)
    }),
    ("pending", "Proposals pending", "etcd_server_proposals_pending", Unit::Count, |series, at| {
        series.gauge(at, |reading| reading.proposals_pending)
    }),
    ("leaders", "Leader changes seen", "etcd_server_leader_changes_seen_total", Unit::Count, |series, at| {
        series.gauge(at, |reading| reading.leader_changes)
    }),
    ("size", "Database", "etcd_mvcc_db_total_size_in_bytes", Unit::Bytes, |series, at| {
        series.gauge(at, |reading| reading.db_size)
    }),
    ("traffic", "Sent to peers", "rate(etcd_network_peer_sent_bytes_total[5s])", Unit::BytesPerSecond, |series, at| {
        series.rate(at, 1, |reading| reading.peer_sent_bytes)
    }),
    ("events", "Watch events", "rate(etcd_debugging_mvcc_events_total[5s])", Unit::MilliPerSecond, |series, at| {
        series.rate(at, 1_000, |reading| reading.events)
    }),
];

impl MetricsView {
    pub fn of(lab: &Lab) -> MetricsView {
        let samples = lab.gauges().samples();
        let to = samples.last().map_or(SimTime::ZERO, |sample| sample.at);
        let from = to - SHOWN;
        let skipped = samples.iter().take_while(|sample| sample.at <= from).count();
        let seen = |host: HostId| samples.iter().any(|sample| sample.of(host).is_some());
        let first = lab.cluster().peers.len();
        let member = |host: HostId| Measured {
            host,
            name: words::host(lab, host),
            runs: lab.member(host).is_some(),
            leads: samples.last().and_then(|last| last.of(host)).is_some_and(|reading| reading.is_leader),
        };
        // A spare machine appears when a member ran on it.
        let hosts = lab.machines().filter(|host| usize::from(host.0) < first || seen(*host));
        let members: Vec<Measured> = hosts.map(member).collect();
        let chart = |(id, title, query, unit, measure): &(&'static str, &'static str, &'static str, Unit, Measure)| {
            let line = |member: &Measured| {
                let series = Series { samples, host: member.host };
                let value = |at: usize| (samples[at].at, measure(&series, at));
                Line { host: member.host, values: (skipped..samples.len()).map(value).collect() }
            };
            let lines: Vec<Line> = members.iter().map(line).collect();
            let values = lines.iter().flat_map(|line| &line.values).filter_map(|(_, value)| *value);
            let top = unit.round_up(values.max().unwrap_or(0).max(unit.least()));
            let limit = alerts::limit(lab, id).filter(|limit| *limit < top);
            Chart { id, title, query, unit: *unit, lines, top, limit }
        };
        let charts = if samples.is_empty() { Vec::new() } else { CHARTS.iter().map(chart).collect() };
        let alerts = alerts::of(samples, &members);
        MetricsView { from: from.max(SimTime::ZERO), to, members, charts, alerts }
    }
}

impl<'a> Series<'a> {
    fn reading(&self, at: usize) -> Option<&'a Reading> {
        self.samples.get(at)?.of(self.host)
    }

    fn gauge(&self, at: usize, read: impl Fn(&Reading) -> u64) -> Option<u64> {
        self.reading(at).map(read)
    }

    /// How much a counter grew over so many samples. One that began anew in between began at zero.
    fn increase(&self, at: usize, over: usize, read: impl Fn(&Reading) -> u64) -> Option<u64> {
        let now = self.reading(at)?;
        let before = (at.saturating_sub(over)..at).filter_map(|at| self.reading(at));
        let grown = |last: &Reading, next: &Reading| {
            let from = if last.started_at == next.started_at { read(last) } else { 0 };
            read(next).saturating_sub(from)
        };
        let mut total = 0;
        let mut last: Option<&Reading> = None;
        for next in before.chain([now]) {
            total += last.map_or(0, |last| grown(last, next));
            last = Some(next);
        }
        Some(total)
    }

    /// Growth in a second, times `scale`.
    fn rate(&self, at: usize, scale: u64, read: impl Fn(&Reading) -> u64) -> Option<u64> {
        let over = RATE.min(at).max(1) as u64;
        Some(self.increase(at, RATE, read)? * scale * 1_000_000 / (over * EVERY.0))
    }

    /// `histogram_quantile(0.99, …)` of the fsyncs in the window: within a bucket the values lie evenly. Nothing if there were none.
    fn fsync_p99(&self, at: usize) -> Option<u64> {
        let buckets = self.reading(at)?.wal_fsync.cumulative();
        let grown =
            |bucket: usize| self.increase(at, QUANTILE, |reading| reading.wal_fsync.counts()[bucket]).unwrap_or(0);
        let counts: Vec<u64> = (0..buckets.len()).map(grown).collect();
        let total = self.increase(at, QUANTILE, |reading| reading.wal_fsync.count())?;
        if total == 0 {
            return None;
        }
        let (mut below, mut start) = (0, 0);
        for ((end, _), count) in buckets.iter().zip(counts) {
            // The rank is 99 hundredths of all.
            if count > 0 && (below + count) * 100 >= total * 99 {
                let into = total * 99 - below * 100;
                return Some(start + (end - start) * into / (count * 100));
            }
            below += count;
            start = *end;
        }
        // Beyond the last bucket.
        Some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Input, Scenario};
    use crate::sim::Fault;

    fn type_in(lab: &mut Lab, text: &str) {
        lab.input(&Input::Line { terminal: 0, text: text.to_owned() });
    }

    fn run_to(lab: &mut Lab, seconds: u64) {
        lab.run_until(SimTime(seconds * 1_000_000 + 1), u64::MAX);
    }

    fn chart<'a>(view: &'a MetricsView, id: &str) -> &'a Chart {
        view.charts.iter().find(|chart| chart.id == id).expect("there is such a chart")
    }

    fn firing(view: &MetricsView) -> Vec<(&'static str, Vec<String>)> {
        let firing = view.alerts.iter().filter(|alert| !alert.firing.is_empty());
        firing.map(|alert| (alert.name, alert.firing.iter().map(|of| of.who.clone()).collect())).collect()
    }

    #[test]
    fn a_quiet_world_fires_nothing_and_a_new_one_has_no_charts() {
        let mut lab = Lab::new(Scenario::default(), 1);
        assert_eq!(MetricsView::of(&lab).charts, Vec::new());
        run_to(&mut lab, 30);
        let view = MetricsView::of(&lab);
        assert_eq!(firing(&view), Vec::new());
        assert_eq!((view.from, view.to), (SimTime::ZERO, SimTime(30_000_000)));
        assert_eq!(view.members.iter().map(|member| member.leads).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(chart(&view, "leaders").lines[0].last(), Some(1));
        // Nothing was written for long: there is no quantile of nothing.
        assert_eq!(chart(&view, "fsync").lines[0].last(), None);
    }

    #[test]
    fn rates_are_growth_and_survive_a_restart() {
        let mut lab = Lab::new(Scenario::default(), 1);
        run_to(&mut lab, 3);
        type_in(&mut lab, "for i in $(seq 10); do etcdctl put a $i; done");
        run_to(&mut lab, 6);
        let view = MetricsView::of(&lab);
        // Ten puts in five seconds.
        assert_eq!(chart(&view, "puts").lines[1].last(), Some(2_000));
        assert_eq!(Unit::MilliPerSecond.words(2_000), "2\u{a0}/s");
        let p99 = chart(&view, "fsync").lines[1].last().expect("there were fsyncs");
        assert!((1_000..2_000).contains(&p99), "an SSD's fsync takes about a millisecond: {p99} µs");
        lab.input(&Input::Fault(Fault::Restart { host: HostId(1) }));
        run_to(&mut lab, 8);
        let view = MetricsView::of(&lab);
        assert_eq!(chart(&view, "puts").lines[1].last(), Some(2_000));
        run_to(&mut lab, 20);
        assert_eq!(chart(&MetricsView::of(&lab), "puts").lines[1].last(), Some(0));
    }

    #[test]
    fn a_slow_disk_and_the_loss_of_a_majority_fire() {
        let mut lab = Lab::new(Scenario::default(), 1);
        run_to(&mut lab, 3);
        lab.input(&Input::Fault(Fault::SlowDisk { host: HostId(1), factor: 200 }));
        type_in(&mut lab, "for i in $(seq 5); do etcdctl put a $i; done");
        run_to(&mut lab, 7);
        let view = MetricsView::of(&lab);
        assert_eq!(firing(&view), [("etcdHighFsyncDurations", vec!["etcd-2".to_owned()])]);
        assert!(chart(&view, "fsync").limit == Some(100_000));
        for host in [0, 2] {
            lab.input(&Input::Fault(Fault::PowerOff { host: HostId(host) }));
        }
        run_to(&mut lab, 30);
        let names: Vec<&str> = firing(&MetricsView::of(&lab)).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["etcdInsufficientMembers", "etcdMembersDown", "etcdNoLeader"]);
        assert_eq!(chart(&MetricsView::of(&lab), "size").lines[0].last(), None);
    }

    #[test]
    fn a_database_near_its_quota_fires() {
        let mut lab = Lab::new(Scenario::parse("members=3 quota-backend-bytes=60000").unwrap(), 1);
        run_to(&mut lab, 3);
        type_in(&mut lab, "for i in $(seq 12); do etcdctl put k$i $(head -c 3000 /dev/zero | tr '\\0' x); done");
        run_to(&mut lab, 8);
        let view = MetricsView::of(&lab);
        assert_eq!(
            firing(&view).iter().map(|(name, who)| (*name, who.len())).collect::<Vec<_>>(),
            [("etcdDatabaseQuotaLowSpace", 3)]
        );
        assert_eq!(chart(&view, "size").limit, Some(57_000));
    }

    #[test]
    fn rewinding_shows_the_history_of_that_moment() {
        let mut timeline = crate::lab::Timeline::new(Scenario::default(), 1);
        timeline.run_until(SimTime(3_000_000), u64::MAX);
        timeline.act(Input::Line { terminal: 0, text: "etcdctl put a 1".to_owned() });
        timeline.run_until(SimTime(20_500_000), u64::MAX);
        let then = MetricsView::of(timeline.lab());
        timeline.run_until(SimTime(40_500_000), u64::MAX);
        timeline.seek(SimTime(20_500_000));
        assert_eq!(MetricsView::of(timeline.lab()), then);
        assert_eq!(then.to, SimTime(20_000_000));
    }

    #[test]
    fn scales_are_round() {
        let rounded = [0, 7, 99, 100, 950, 1_000, 100_000].map(|value| Unit::Micros.round_up(value));
        assert_eq!(rounded, [1, 8, 100, 200, 1_000, 2_000, 200_000]);
        assert_eq!(Unit::Bytes.round_up(20_480), 40 << 10);
    }
}
