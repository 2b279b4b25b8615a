//! Whether the server lives, is ready, and is well: `/livez`, `/readyz` and the older `/healthz`, whole and check by check.
//!
//! Upstream: `k8s.io/apiserver/pkg/server/healthz`, `handleRootHealth`, and the check of etcd in `storage/storagebackend`.
//!
//! Simplified: checks of parts that this lab does not have (log, shutdown, most post-start hooks) are not in the lists.

use super::cache::Cache;
use super::server::{ApiServer, Moment};
use super::work::{RequestId, Stage, Task, Then, Work};
use super::{Outbox, respond, storage};
use crate::etcd::api::Response;
use crate::etcd::error::Status as EtcdStatus;
use crate::etcd::http::HttpResponse;
use crate::sim::Micros;

/// How long etcd may take to answer a check. Upstream: `DefaultHealthcheckTimeout`.
pub const TIMEOUT: Micros = Micros::from_secs(2);
const KINDS: [&str; 3] = ["healthz", "livez", "readyz"];
const ETCD: [&str; 2] = ["etcd", "etcd-readiness"];

/// A path of a health check: its kind, and the one check that is asked for, or none.
pub fn parse(path: &str) -> Option<(&'static str, &str)> {
    let path = path.trim_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    KINDS.into_iter().find(|kind| *kind == first).map(|kind| (kind, rest))
}

impl ApiServer {
    /// Asks etcd first, if a check wants to know of it.
    pub(super) fn begin_health(&mut self, at: Moment, id: RequestId, out: &mut Outbox) {
        let Some(work) = self.works.get_mut(&id) else { return };
        let asks_etcd = asked(work).any(|name| ETCD.contains(&name));
        work.task = Task::Health;
        if !asks_etcd {
            return self.end_health(at, id, true, out);
        }
        work.pass(Stage::Storage, Micros(20), "etcd is asked whether it answers");
        work.then = Then::Ask(storage::get("health").into());
        self.go_on(at, id, out);
    }

    pub(super) fn health_stored(
        &mut self,
        at: Moment,
        id: RequestId,
        result: Result<Response, EtcdStatus>,
        out: &mut Outbox,
    ) {
        self.end_health(at, id, result.is_ok(), out);
    }

    fn end_health(&mut self, at: Moment, id: RequestId, is_etcd_well: bool, out: &mut Outbox) {
        let Some(work) = self.works.get(&id) else { return };
        let results: Vec<(&str, bool)> = asked(work).map(|name| (name, self.is_well(name, is_etcd_well))).collect();
        let response = answer(work, &results);
        self.finish(at, id, Micros(20), response, out);
    }

    fn is_well(&self, check: &str, is_etcd_well: bool) -> bool {
        match check {
            "etcd" | "etcd-readiness" => is_etcd_well,
            "informer-sync" => self.caches().all(Cache::is_ready),
            "poststarthook/rbac/bootstrap-roles" => self.bootstrap.is_done(),
            _ => true,
        }
    }
}

fn checks(kind: &str) -> &'static [&'static str] {
    match kind {
        "readyz" => &["ping", "etcd", "etcd-readiness", "informer-sync", "poststarthook/rbac/bootstrap-roles"],
        _ => &["ping", "etcd", "poststarthook/rbac/bootstrap-roles"],
    }
}

/// The checks that a request wants: those of its kind that it does not exclude, or the one that it names.
fn asked(work: &Work) -> impl Iterator<Item = &'static str> {
    let (kind, single) = parse(&work.attributes.path).unwrap_or_default();
    let is_asked = |name: &&&str| if single.is_empty() { !is_excluded(work, name) } else { **name == single };
    checks(kind).iter().filter(is_asked).copied().collect::<Vec<_>>().into_iter()
}

fn is_excluded(work: &Work, name: &str) -> bool {
    work.query.all("exclude").any(|excluded| excluded == name)
}

fn answer(work: &Work, results: &[(&str, bool)]) -> HttpResponse {
    let (kind, single) = parse(&work.attributes.path).unwrap_or_default();
    let is_well = results.iter().all(|(_, is_well)| *is_well);
    if !single.is_empty() {
        return match results {
            [] => respond::not_found(),
            _ if is_well => respond::text(200, "ok"),
            _ => respond::text(500, "internal server error: reason withheld\n"),
        };
    }
    let line = |name: &&str| match results.iter().find(|(known, _)| known == name) {
        None => format!("[+]{name} excluded: ok\n"),
        Some((_, true)) => format!("[+]{name} ok\n"),
        Some((_, false)) => format!("[-]{name} failed: reason withheld\n"),
    };
    let mut lines: String = checks(kind).iter().map(line).collect();
    let unknown: Vec<String> =
        work.query.all("exclude").filter(|name| !checks(kind).contains(name)).map(|name| format!("{name:?}")).collect();
    if !unknown.is_empty() {
        lines += &format!("warn: some health checks cannot be excluded: no matches for {}\n", unknown.join(", "));
    }
    match (is_well, work.query.has("verbose")) {
        (true, false) => respond::text(200, "ok"),
        (true, true) => respond::text(200, &format!("{lines}{kind} check passed\n")),
        (false, _) => respond::text(500, &format!("{lines}{kind} check failed\n")),
    }
}
