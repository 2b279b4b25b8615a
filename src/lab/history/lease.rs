//! What a lease promises: granted or renewed, it lives for its time to live from the moment at which that was asked, unless
//! somebody ends it.
//!
//! What a leader says that has a successor and does not know it binds nobody: 3.5 does not ask the others before it renews
//! a lease, and so such a leader goes on for up to an election time-out.

use super::{History, Truth};
use crate::etcd::api::{LeaseRevokeRequest, Request, Response};
use crate::sim::Micros;
use std::collections::BTreeSet;

/// Leases that ended too soon.
pub fn judge(history: &History, truth: &Truth) -> Vec<String> {
    let ended_by_hand: BTreeSet<i64> =
        history.operations.iter().filter_map(|operation| revoked(&operation.request)).collect();
    let mut problems = Vec::new();
    for operation in history.acknowledged() {
        let Some((id, ttl)) = operation.answer.as_ref().and_then(|(_, response)| promised(response)) else { continue };
        if let Some((at, Response::LeaseKeepAlive(renewed))) = &operation.answer
            && renewed.header.as_ref().is_some_and(|header| truth.is_over(header.raft_term, *at))
        {
            continue;
        }
        let until = operation.asked + Micros::from_secs(ttl);
        let end = truth.took_effect(&Request::LeaseRevoke(LeaseRevokeRequest { id }));
        if let Some(end) = end.filter(|end| *end < until && !ended_by_hand.contains(&id)) {
            let asked = operation.asked;
            problems.push(format!("lease {id:x}, asked for at {asked}, was promised until {until} and ended at {end}"));
        }
    }
    problems
}

fn revoked(request: &Request) -> Option<i64> {
    match request {
        Request::LeaseRevoke(revoke) => Some(revoke.id),
        _ => None,
    }
}

/// Which lease, and for how many seconds.
fn promised(response: &Response) -> Option<(i64, u64)> {
    let (id, ttl) = match response {
        Response::LeaseGrant(granted) => (granted.id, granted.ttl),
        Response::LeaseKeepAlive(renewed) => (renewed.id, renewed.ttl),
        _ => return None,
    };
    u64::try_from(ttl).ok().filter(|ttl| *ttl > 0).map(|ttl| (id, ttl))
}
