//! What an API server counts while its process lives, and how `/metrics` tells it.
//!
//! Upstream: `k8s.io/apiserver/pkg/endpoints/metrics`, `pkg/storage/cacher/metrics`, `pkg/util/flowcontrol/metrics`.
//!
//! Simplified: of upstream's families only those whose numbers this lab has; those of flow control know levels, not schemas.

use std::collections::BTreeMap;

use super::attributes::Attributes;
use super::cache::CacheState;
use super::health;
use super::server::ApiServer;
use super::work::Work;
use crate::etcd::metrics::exposition::{Kind, MILLISECONDS, Page};
use crate::sim::Micros;

/// The ends of the buckets of durations, in milliseconds.
const BUCKETS: [u64; 23] = [
    5, 25, 50, 100, 200, 400, 600, 800, 1_000, 1_250, 1_500, 2_000, 3_000, 4_000, 5_000, 6_000, 8_000, 10_000, 15_000,
    20_000, 30_000, 45_000, 60_000,
];

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metrics {
    /// By what was asked, whether it was a dry run, and the code of the answer.
    requests: BTreeMap<(Asked, bool, u16), u64>,
    durations: BTreeMap<Asked, Durations>,
}

/// What the families of requests tell apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Asked {
    group: String,
    version: String,
    resource: String,
    subresource: String,
    scope: &'static str,
    verb: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Durations {
    counts: [u64; BUCKETS.len()],
    count: u64,
    sum: u64,
}

impl Metrics {
    pub(super) fn answered(&mut self, work: &Work, status: u16, took: Micros) {
        let Some(asked) = Asked::of(&work.attributes, work.request.header("Content-Type").unwrap_or_default()) else {
            return;
        };
        let is_watch = asked.verb == "WATCH";
        *self.requests.entry((asked.clone(), work.query.has("dryRun"), status)).or_default() += 1;
        // How long a watch lasts says nothing of the server.
        if !is_watch {
            self.durations.entry(asked).or_default().observe(took);
        }
    }
}

impl Durations {
    fn observe(&mut self, took: Micros) {
        let millis = took.0.div_ceil(1_000);
        if let Some(bucket) = BUCKETS.iter().position(|end| millis <= *end) {
            self.counts[bucket] += 1;
        }
        self.count += 1;
        self.sum += took.0;
    }
}

impl Asked {
    /// Of paths that are no resources only the checks of health are counted.
    fn of(attributes: &Attributes, content_type: &str) -> Option<Asked> {
        let verb = match attributes.verb.as_str() {
            "create" => "POST",
            "update" => "PUT",
            "patch" if content_type.contains("apply-patch") => "APPLY",
            "patch" => "PATCH",
            "delete" => "DELETE",
            "deletecollection" => "DELETECOLLECTION",
            "list" => "LIST",
            "watch" => "WATCH",
            _ => "GET",
        };
        let is_health = health::parse(&attributes.path).is_some();
        if !attributes.is_resource && !is_health {
            return None;
        }
        let scope = match (attributes.is_resource, attributes.name.is_empty(), attributes.namespace.is_empty()) {
            (false, ..) => "",
            (_, false, _) => "resource",
            _ if attributes.verb == "create" => "resource",
            (_, _, false) => "namespace",
            _ => "cluster",
        };
        let subresource = if is_health { attributes.path.clone() } else { attributes.subresource.clone() };
        Some(Asked {
            group: attributes.group.clone(),
            version: attributes.version.clone(),
            resource: attributes.resource.clone(),
            subresource,
            scope,
            verb,
        })
    }

    fn labels(&self) -> [(&'static str, &str); 7] {
        [
            ("component", "apiserver"),
            ("group", &self.group),
            ("version", &self.version),
            ("resource", &self.resource),
            ("subresource", &self.subresource),
            ("scope", self.scope),
            ("verb", self.verb),
        ]
    }
}

impl ApiServer {
    /// The text of `/metrics`.
    pub(super) fn exposition(&self) -> String {
        let mut page = Page::default();
        self.tell_requests(&mut page);
        self.tell_caches(&mut page);
        self.tell_flow_control(&mut page);
        page.text()
    }

    fn tell_requests(&self, page: &mut Page) {
        let total = (
            "apiserver_request_total",
            "[STABLE] Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, \
             scope, component, and HTTP response code.",
            Kind::Counter,
        );
        for ((asked, dry_run, status), count) in &self.metrics.requests {
            let (code, dry_run) = (status.to_string(), if *dry_run { "All" } else { "" });
            let labels = [&asked.labels()[..], &[("code", &*code), ("dry_run", dry_run)]].concat();
            page.labelled(total, &labels, *count);
        }
        let durations = (
            "apiserver_request_duration_seconds",
            "[STABLE] Response latency distribution in seconds for each verb, dry run value, group, version, resource, \
             subresource, scope and component.",
        );
        for (asked, taken) in &self.metrics.durations {
            let mut below = 0;
            let buckets = BUCKETS.iter().zip(taken.counts).map(|(end, count)| {
                below += count;
                (*end, below)
            });
            page.buckets(durations, &asked.labels(), buckets.collect(), MILLISECONDS, (taken.sum, taken.count));
        }
        let inflight = (
            "apiserver_current_inflight_requests",
            "[STABLE] Maximal number of currently used inflight request limit of this apiserver per request kind in last \
             second.",
            Kind::Gauge,
        );
        let is_read = |work: &Work| ["get", "list", "watch"].contains(&&*work.attributes.verb);
        let reads = self.works().filter(|(_, work)| is_read(work)).count() as u64;
        page.labelled(inflight, &[("request_kind", "readOnly")], reads);
        page.labelled(inflight, &[("request_kind", "mutating")], self.works().count() as u64 - reads);
    }

    fn tell_caches(&self, page: &mut Page) {
        let objects = (
            "apiserver_storage_objects",
            "[STABLE] Number of stored objects at the time of last check split by kind.",
            Kind::Gauge,
        );
        let capacity = (
            "apiserver_watch_cache_capacity",
            "[ALPHA] Total capacity of watch cache broken by resource type.",
            Kind::Gauge,
        );
        let watchers = (
            "apiserver_longrunning_requests",
            "[STABLE] Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, \
             scope and component. Not all requests are tracked this way.",
            Kind::Gauge,
        );
        for cache in self.caches().filter(|cache| cache.state == CacheState::Watching) {
            let (group, plural) = (cache.endpoint.group(), cache.endpoint.plural());
            let resource = cache.endpoint.resource().to_string();
            page.labelled(objects, &[("resource", &resource)], cache.objects.len() as u64);
            page.labelled(capacity, &[("group", group), ("resource", plural)], cache.capacity as u64);
            if !cache.watchers.is_empty() {
                let labels = [
                    ("component", "apiserver"),
                    ("group", group),
                    ("resource", plural),
                    ("verb", "WATCH"),
                    ("version", cache.endpoint.version()),
                ];
                page.labelled(watchers, &labels, cache.watchers.len() as u64);
            }
        }
    }

    fn tell_flow_control(&self, page: &mut Page) {
        let gauge = |name, help| (name, help, Kind::Gauge);
        let counter = |name, help| (name, help, Kind::Counter);
        for level in self.seats.levels() {
            let labels = [("priority_level", &*level.name)];
            let nominal = "[BETA] Nominal number of execution seats configured for each priority level";
            page.labelled(
                gauge("apiserver_flowcontrol_nominal_limit_seats", nominal),
                &labels,
                u64::from(level.nominal_limit),
            );
            let current = "[ALPHA] current derived number of execution seats available to each priority level";
            page.labelled(
                gauge("apiserver_flowcontrol_current_limit_seats", current),
                &labels,
                u64::from(level.current_limit),
            );
            let executing = "[BETA] Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in \
                the API Priority and Fairness subsystem";
            page.labelled(
                gauge("apiserver_flowcontrol_current_executing_requests", executing),
                &labels,
                level.executing as u64,
            );
            let waiting =
                "[BETA] Number of requests currently pending in queues of the API Priority and Fairness subsystem";
            page.labelled(
                gauge("apiserver_flowcontrol_current_inqueue_requests", waiting),
                &labels,
                level.waiting as u64,
            );
            let dispatched = "[BETA] Number of requests executed by API Priority and Fairness subsystem";
            page.labelled(
                counter("apiserver_flowcontrol_dispatched_requests_total", dispatched),
                &labels,
                level.dispatched,
            );
            let rejected = "[BETA] Number of requests rejected by API Priority and Fairness subsystem";
            page.labelled(counter("apiserver_flowcontrol_rejected_requests_total", rejected), &labels, level.rejected);
        }
    }
}
