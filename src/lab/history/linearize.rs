//! Linearizability of what clients saw, by values alone: Wing and Gong's search over each group of keys that transactions
//! tie together. Neither revisions nor the log decide here; the log only says which of the calls without an answer took
//! effect, and until when at the latest, or the search would have no end.

use super::{History, Operation, Truth};
use crate::etcd::api::{
    Compare, CompareResult, CompareTarget, RangeRequest, RangeResponse, Request, RequestOp, RequestOpKind, Response,
    ResponseOp, ResponseOpKind, TargetUnion, TxnRequest,
};
use crate::etcd::mvcc::KeySpan;
use crate::sim::SimTime;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History as Actions};
use todc_utils::specifications::Specification;

/// What came of looking at a whole history.
#[derive(Debug, Default)]
pub struct Verdict {
    pub operations: usize,
    pub groups: usize,
    /// Why no order explains a group.
    pub problems: Vec<String>,
}

/// Looks for an order of all operations that explains every answer.
pub fn judge(history: &History, truth: &Truth) -> Verdict {
    let mut verdict = Verdict::default();
    let mut modelled: Vec<(Step, SimTime, SimTime)> =
        history.operations.iter().filter_map(|operation| window(operation, truth)).collect();
    // What leases end, no client has asked for: keys with a lease are left to the log.
    let leased: BTreeSet<&Bytes> =
        history.operations.iter().filter_map(|operation| leased(&operation.request)).collect();
    modelled.retain(|(step, ..)| keys_of(&step.request).iter().all(|key| !leased.contains(key)));
    for steps in groups(modelled) {
        verdict.groups += 1;
        verdict.operations += steps.len();
        let keys = steps[0].0.request.clone();
        let count = steps.len();
        if !WGLChecker::<Store>::is_linearizable(Actions::from_actions(actions(steps))) {
            verdict.problems.push(format!("no order explains the {count} operations around {keys:?}"));
        }
    }
    verdict
}

/// What an operation must be explained by, and between which moments. Nothing, if it says nothing: a read that failed, a
/// write that never happened, a call that this model does not know.
fn window(operation: &Operation, truth: &Truth) -> Option<(Step, SimTime, SimTime)> {
    if !is_modelled(&operation.request) {
        return None;
    }
    let request = operation.request.clone();
    match &operation.answer {
        Some((answered, response)) => {
            let seen = Some(Seen::of(response)?);
            Some((Step { request, seen }, operation.asked, *answered))
        }
        None if operation.writes() => {
            let until = truth.took_effect(&request)?;
            Some((Step { request, seen: None }, operation.asked, until.max(operation.asked)))
        }
        None => None,
    }
}

fn leased(request: &Request) -> Option<&Bytes> {
    match request {
        Request::Put(put) if put.lease != 0 => Some(&put.key),
        _ => None,
    }
}

fn is_modelled(request: &Request) -> bool {
    match request {
        Request::Put(put) => put.lease == 0,
        Request::DeleteRange(_) => true,
        Request::Range(range) => is_modelled_read(range) && !range.serializable,
        Request::Txn(txn) => txn.compare.iter().all(is_modelled_compare) && ops(txn).all(is_modelled_op),
        _ => false,
    }
}

fn is_modelled_read(range: &RangeRequest) -> bool {
    range.range_end.is_empty() && range.revision == 0
}

fn is_modelled_compare(compare: &Compare) -> bool {
    let equal = compare.result == CompareResult::Equal as i32 && compare.range_end.is_empty();
    equal
        && match (&compare.target(), &compare.target_union) {
            (CompareTarget::Value, Some(TargetUnion::Value(_))) => true,
            (CompareTarget::Create, Some(TargetUnion::CreateRevision(revision))) => *revision == 0,
            _ => false,
        }
}

fn is_modelled_op(op: &RequestOp) -> bool {
    match &op.request {
        Some(RequestOpKind::Range(range)) => is_modelled_read(range),
        Some(RequestOpKind::Put(_) | RequestOpKind::DeleteRange(_)) => true,
        Some(RequestOpKind::Txn(_)) | None => false,
    }
}

fn ops(txn: &TxnRequest) -> impl Iterator<Item = &RequestOp> {
    txn.success.iter().chain(&txn.failure)
}

/// Operations by the keys that they share, directly or through others.
fn groups(steps: Vec<(Step, SimTime, SimTime)>) -> Vec<Vec<(Step, SimTime, SimTime)>> {
    let mut group_of: BTreeMap<Bytes, usize> = BTreeMap::new();
    for (position, (step, ..)) in steps.iter().enumerate() {
        let keys = keys_of(&step.request);
        let joined: Vec<usize> = keys.iter().filter_map(|key| group_of.get(key).copied()).collect();
        let group = joined.first().copied().unwrap_or(position);
        group_of.values_mut().filter(|of| joined.contains(of)).for_each(|of| *of = group);
        group_of.extend(keys.into_iter().map(|key| (key, group)));
    }
    let mut groups: BTreeMap<usize, Vec<(Step, SimTime, SimTime)>> = BTreeMap::new();
    for step in steps {
        let group = keys_of(&step.0.request).first().map_or(0, |key| group_of[key]);
        groups.entry(group).or_default().push(step);
    }
    groups.into_values().collect()
}

fn keys_of(request: &Request) -> Vec<Bytes> {
    match request {
        Request::Put(put) => vec![put.key.clone()],
        Request::DeleteRange(delete) => vec![delete.key.clone()],
        Request::Range(range) => vec![range.key.clone()],
        Request::Txn(txn) => {
            let compared = txn.compare.iter().map(|compare| compare.key.clone());
            let done = ops(txn).filter_map(|op| match op.request.as_ref()? {
                RequestOpKind::Range(range) => Some(range.key.clone()),
                RequestOpKind::Put(put) => Some(put.key.clone()),
                RequestOpKind::DeleteRange(delete) => Some(delete.key.clone()),
                RequestOpKind::Txn(_) => None,
            });
            compared.chain(done).collect()
        }
        _ => Vec::new(),
    }
}

/// Calls and answers in their order. At one moment calls come first: what overlaps at all may be ordered either way.
fn actions(steps: Vec<(Step, SimTime, SimTime)>) -> Vec<(usize, Action<Step>)> {
    let mut timed = Vec::with_capacity(2 * steps.len());
    for (process, (step, from, to)) in steps.into_iter().enumerate() {
        timed.push((from, false, process, Action::Call(step.clone())));
        timed.push((to, true, process, Action::Response(step)));
    }
    timed.sort_by_key(|(at, is_answer, process, _)| (*at, *is_answer, *process));
    timed.into_iter().map(|(.., process, action)| (process, action)).collect()
}

/// An operation, and what its client saw; nothing, if it was never answered.
#[derive(Clone, Debug)]
struct Step {
    request: Request,
    seen: Option<Seen>,
}

/// An answer reduced to values.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Put,
    Deleted(i64),
    Read(Option<Bytes>),
    Txn(bool, Vec<Seen>),
}

impl Seen {
    fn of(response: &Response) -> Option<Seen> {
        Some(match response {
            Response::Put(_) => Seen::Put,
            Response::DeleteRange(response) => Seen::Deleted(response.deleted),
            Response::Range(response) => Seen::read(response),
            Response::Txn(response) => {
                let seen: Option<Vec<Seen>> = response.responses.iter().map(Seen::of_op).collect();
                Seen::Txn(response.succeeded, seen?)
            }
            _ => return None,
        })
    }

    fn of_op(op: &ResponseOp) -> Option<Seen> {
        Some(match op.response.as_ref()? {
            ResponseOpKind::Put(_) => Seen::Put,
            ResponseOpKind::DeleteRange(response) => Seen::Deleted(response.deleted),
            ResponseOpKind::Range(response) => Seen::read(response),
            ResponseOpKind::Txn(_) => return None,
        })
    }

    fn read(response: &RangeResponse) -> Seen {
        Seen::Read(response.kvs.first().map(|kv| kv.value.clone()))
    }
}

type Values = BTreeMap<Bytes, Bytes>;

/// What a store of values does, in a few lines.
struct Store;

impl Specification for Store {
    type State = Values;
    type Operation = Step;

    fn init() -> Values {
        Values::new()
    }

    fn apply(step: &Step, values: &Values) -> (bool, Values) {
        let mut next = values.clone();
        let does = perform(&mut next, &step.request);
        (does.is_some() && (step.seen.is_none() || step.seen == does), next)
    }
}

fn perform(values: &mut Values, request: &Request) -> Option<Seen> {
    Some(match request {
        Request::Put(put) => perform_put(values, &put.key, &put.value),
        Request::DeleteRange(delete) => perform_delete(values, &delete.key, &delete.range_end),
        Request::Range(range) => Seen::Read(values.get(&range.key).cloned()),
        Request::Txn(txn) => {
            let succeeded = txn.compare.iter().all(|compare| holds(values, compare));
            let branch = if succeeded { &txn.success } else { &txn.failure };
            let seen: Option<Vec<Seen>> = branch.iter().map(|op| perform_op(values, op)).collect();
            Seen::Txn(succeeded, seen?)
        }
        _ => return None,
    })
}

fn perform_op(values: &mut Values, op: &RequestOp) -> Option<Seen> {
    Some(match op.request.as_ref()? {
        RequestOpKind::Put(put) => perform_put(values, &put.key, &put.value),
        RequestOpKind::DeleteRange(delete) => perform_delete(values, &delete.key, &delete.range_end),
        RequestOpKind::Range(range) => Seen::Read(values.get(&range.key).cloned()),
        RequestOpKind::Txn(_) => return None,
    })
}

fn perform_put(values: &mut Values, key: &Bytes, value: &Bytes) -> Seen {
    values.insert(key.clone(), value.clone());
    Seen::Put
}

fn perform_delete(values: &mut Values, key: &Bytes, range_end: &Bytes) -> Seen {
    let before = values.len();
    let span = KeySpan::of(key, range_end);
    values.retain(|key, _| !span.contains(key));
    Seen::Deleted((before - values.len()) as i64)
}

fn holds(values: &Values, compare: &Compare) -> bool {
    let value = values.get(&compare.key);
    match &compare.target_union {
        Some(TargetUnion::Value(operand)) => value == Some(operand),
        _ => value.is_none(),
    }
}
