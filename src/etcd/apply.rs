//! What a committed request does to the store: the same on every member.
//!
//! Pure: nothing here knows Raft, time or permissions, and what runs does not ask [`quota`], which a member does first. The `check_*` functions refuse what can be refused
//! without looking at the store, and a member runs them before it proposes; the `apply_*` functions run the request once
//! it is committed. Headers carry the revision alone. A request that fails leaves the store as it was.
//!
//! Upstream: `server/etcdserver/apply.go` and `server/etcdserver/api/v3rpc/key.go` of 3.5.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::api::{
    CompactionRequest, CompactionResponse, Compare, CompareResult, CompareTarget, DeleteRangeRequest,
    DeleteRangeResponse, KeyValue, PutRequest, PutResponse, RangeRequest, RangeResponse, RequestOp, RequestOpKind,
    ResponseHeader, ResponseOp, ResponseOpKind, SortOrder, SortTarget, TargetUnion, TxnRequest, TxnResponse,
};
use super::error::EtcdError;
use super::mvcc::{KeySpan, KvStore, RangeOptions, RangeResult, Stored, WatchableStore, WriteTxn};

pub(super) mod go_sort;
pub mod quota;

pub fn check_range(request: &RangeRequest) -> Result<(), EtcdError> {
    check_key(&request.key)
}

pub fn check_put(request: &PutRequest) -> Result<(), EtcdError> {
    check_key(&request.key)?;
    if request.ignore_value && !request.value.is_empty() {
        return Err(EtcdError::ValueProvided);
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(EtcdError::LeaseProvided);
    }
    Ok(())
}

pub fn check_delete_range(request: &DeleteRangeRequest) -> Result<(), EtcdError> {
    check_key(&request.key)
}

fn check_key(key: &[u8]) -> Result<(), EtcdError> {
    if key.is_empty() { Err(EtcdError::EmptyKey) } else { Ok(()) }
}

/// A transaction may hold `max_ops` operations; a nested one what its parent leaves.
pub fn check_txn(request: &TxnRequest, max_ops: usize) -> Result<(), EtcdError> {
    check_ops(request, max_ops)?;
    check_overlap(&request.success)?;
    check_overlap(&request.failure)?;
    Ok(())
}

fn check_ops(request: &TxnRequest, max_ops: usize) -> Result<(), EtcdError> {
    let count = request.compare.len().max(request.success.len()).max(request.failure.len());
    if count > max_ops {
        return Err(EtcdError::TooManyOps);
    }
    for compare in &request.compare {
        check_key(&compare.key)?;
    }
    for op in request.success.iter().chain(&request.failure) {
        match &op.request {
            Some(RequestOpKind::Range(range)) => check_range(range)?,
            Some(RequestOpKind::Put(put)) => check_put(put)?,
            Some(RequestOpKind::DeleteRange(delete)) => check_delete_range(delete)?,
            Some(RequestOpKind::Txn(txn)) => check_ops(txn, max_ops - count)?,
            None => return Err(EtcdError::KeyNotFound),
        }
    }
    Ok(())
}

/// Refuses a branch that writes one key twice. Returns what it puts and what it deletes.
///
/// As upstream, this looks at the branches' structure: a nested put and a delete in a later sibling pass, and so does
/// anything beside a deletion without an end.
fn check_overlap(ops: &[RequestOp]) -> Result<(BTreeSet<&[u8]>, Vec<KeySpan<'_>>), EtcdError> {
    let mut puts = BTreeSet::new();
    let mut deletes: Vec<KeySpan<'_>> = Vec::new();
    for op in ops {
        if let Some(RequestOpKind::DeleteRange(delete)) = &op.request {
            let span = KeySpan::of(&delete.key, &delete.range_end);
            // Upstream takes the zero byte that means "no end" for an ordinary end, below every key.
            if !matches!(span, KeySpan::From(_)) {
                deletes.push(span);
            }
        }
    }
    let deleted = |deletes: &[KeySpan<'_>], key: &[u8]| deletes.iter().any(|span| span.contains(key));
    for op in ops {
        let Some(RequestOpKind::Txn(txn)) = &op.request else { continue };
        let (then_puts, then_deletes) = check_overlap(&txn.success)?;
        let (else_puts, else_deletes) = check_overlap(&txn.failure)?;
        for key in &then_puts {
            if deleted(&deletes, key) || !puts.insert(*key) {
                return Err(EtcdError::DuplicateKey);
            }
        }
        for key in else_puts {
            let elsewhere = !puts.insert(key) && !then_puts.contains(key);
            if deleted(&deletes, key) || elsewhere {
                return Err(EtcdError::DuplicateKey);
            }
        }
        deletes.extend(then_deletes);
        deletes.extend(else_deletes);
    }
    for op in ops {
        let Some(RequestOpKind::Put(put)) = &op.request else { continue };
        if deleted(&deletes, &put.key) || !puts.insert(&put.key) {
            return Err(EtcdError::DuplicateKey);
        }
    }
    Ok((puts, deletes))
}

/// True for a transaction that any member may answer by itself: it holds reads and nothing else.
pub fn is_read_only(request: &TxnRequest) -> bool {
    let reads = |op: &RequestOp| matches!(op.request, Some(RequestOpKind::Range(_)));
    request.success.iter().chain(&request.failure).all(reads)
}

pub fn apply_range(store: &KvStore, request: &RangeRequest) -> Result<RangeResponse, EtcdError> {
    range(request, |span, options| store.range(span, options))
}

pub fn apply_put(store: &mut WatchableStore, request: &PutRequest) -> Result<PutResponse, EtcdError> {
    check_lease(store.kv(), request)?;
    check_kept(store.kv(), request)?;
    Ok(store.write(|txn| put(txn, request)))
}

pub fn apply_delete_range(
    store: &mut WatchableStore,
    request: &DeleteRangeRequest,
) -> Result<DeleteRangeResponse, EtcdError> {
    Ok(store.write(|txn| delete_range(txn, request)))
}

/// Compares, chooses the branches, checks all that will run, and only then writes.
pub fn apply_txn(store: &mut WatchableStore, request: &TxnRequest) -> Result<TxnResponse, EtcdError> {
    let mut path = Vec::new();
    let compared = choose_branches(store.kv(), request, &mut path);
    let mut check = Check { store: store.kv(), deleted: Vec::new(), writes: false };
    check.writes(request, &mut path.iter())?;
    check.reads(request, &mut path.iter())?;
    if check.writes {
        store.count_ranges(compared);
        store.write(|txn| {
            let responses = run(&mut Access::Write(txn), request, &mut path.iter())?;
            Ok(TxnResponse { header: header(txn.revision()), ..responses })
        })
    } else {
        let responses = run(&mut Access::Read(store.kv()), request, &mut path.iter())?;
        let revision = store.kv().revision();
        store.count_ranges(compared + reads(&responses));
        Ok(TxnResponse { header: header(revision), ..responses })
    }
}

pub fn apply_compact(store: &mut WatchableStore, request: &CompactionRequest) -> Result<CompactionResponse, EtcdError> {
    store.kv_mut().compact(request.revision)?;
    Ok(CompactionResponse { header: header(store.kv().revision()) })
}

fn header(revision: i64) -> Option<ResponseHeader> {
    Some(ResponseHeader { revision, ..ResponseHeader::default() })
}

fn range<'a>(
    request: &'a RangeRequest,
    read: impl FnOnce(KeySpan<'a>, RangeOptions) -> Result<RangeResult<'a>, EtcdError>,
) -> Result<RangeResponse, EtcdError> {
    let filtered = request.min_mod_revision != 0
        || request.max_mod_revision != 0
        || request.min_create_revision != 0
        || request.max_create_revision != 0;
    let by_key = request.sort_target == SortTarget::Key as i32;
    let unordered = request.sort_order == SortOrder::None as i32;
    let in_key_order = by_key && request.sort_order != SortOrder::Descend as i32;
    // An order or a filter needs everything. Without an order the limit comes first, even if the target then sorts.
    let early = request.limit > 0 && !filtered && (unordered || in_key_order);
    let options = RangeOptions {
        limit: if early { request.limit as usize + 1 } else { 0 },
        revision: request.revision,
        count_only: request.count_only,
    };
    let RangeResult { mut kvs, count, revision } = read(KeySpan::of(&request.key, &request.range_end), options)?;
    if filtered {
        let within = |value: i64, min: i64, max: i64| (min == 0 || value >= min) && (max == 0 || value <= max);
        kvs.retain(|kv| {
            within(kv.mod_revision, request.min_mod_revision, request.max_mod_revision)
                && within(kv.create_revision, request.min_create_revision, request.max_create_revision)
        });
    }
    sort(&mut kvs, request);
    let limit = if request.limit > 0 { request.limit as usize } else { usize::MAX };
    let more = kvs.len() > limit;
    kvs.truncate(limit);
    let shown = |kv: &KeyValue| KeyValue {
        value: if request.keys_only { Default::default() } else { kv.value.clone() },
        key: kv.key.clone(),
        ..*kv
    };
    let kvs = kvs.into_iter().map(shown).collect();
    Ok(RangeResponse { header: header(revision), kvs, more, count: count as i64 })
}

/// Sorts as the request asks. Values arrive in key order.
fn sort(kvs: &mut [&KeyValue], request: &RangeRequest) {
    let descend = request.sort_order == SortOrder::Descend as i32;
    let compare: fn(&KeyValue, &KeyValue) -> Ordering = match request.sort_target() {
        SortTarget::Key => {
            if descend {
                kvs.reverse();
            }
            return;
        }
        SortTarget::Version => |a, b| a.version.cmp(&b.version),
        SortTarget::Create => |a, b| a.create_revision.cmp(&b.create_revision),
        SortTarget::Mod => |a, b| a.mod_revision.cmp(&b.mod_revision),
        SortTarget::Value => |a, b| a.value.cmp(&b.value),
    };
    if descend {
        go_sort::sort(kvs, |a, b| compare(b, a).is_lt());
    } else {
        go_sort::sort(kvs, |a, b| compare(a, b).is_lt());
    }
}

/// The request must have passed [`check_kept`].
fn put(txn: &mut WriteTxn<'_>, request: &PutRequest) -> PutResponse {
    let (mut value, mut lease) = (request.value.clone(), request.lease);
    if request.ignore_value || request.ignore_lease {
        let old = txn.get(&request.key).expect("the key was checked to be there");
        if request.ignore_value {
            value = old.value.clone();
        }
        if request.ignore_lease {
            lease = old.lease;
        }
    }
    let previous = txn.put(&request.key, value, lease);
    let prev_kv = previous.filter(|_| request.prev_kv).map(|stored| stored.kv().clone());
    PutResponse { header: header(txn.revision()), prev_kv }
}

fn delete_range(txn: &mut WriteTxn<'_>, request: &DeleteRangeRequest) -> DeleteRangeResponse {
    let previous = txn.delete_range(KeySpan::of(&request.key, &request.range_end));
    let deleted = previous.len() as i64;
    let kvs = |previous: Vec<Stored>| previous.iter().map(|stored| stored.kv().clone()).collect();
    let prev_kvs = if request.prev_kv { kvs(previous) } else { Vec::new() };
    DeleteRangeResponse { header: header(txn.revision()), deleted, prev_kvs }
}

/// A put that keeps what the key has needs the key.
fn check_kept(store: &KvStore, request: &PutRequest) -> Result<(), EtcdError> {
    let keeps = request.ignore_value || request.ignore_lease;
    if keeps && store.get(&request.key).is_none() { Err(EtcdError::KeyNotFound) } else { Ok(()) }
}

fn check_lease(store: &KvStore, request: &PutRequest) -> Result<(), EtcdError> {
    let missing = request.lease != 0 && !store.lessor.exists(request.lease);
    if missing { Err(EtcdError::LeaseNotFound) } else { Ok(()) }
}

/// Evaluates the compares of a transaction and of the transactions nested in its chosen branch, depth first, all on the
/// store as it is before any write. Returns how many were evaluated.
fn choose_branches(store: &KvStore, request: &TxnRequest, path: &mut Vec<bool>) -> u64 {
    let failing = request.compare.iter().position(|compare| !compare_holds(store, compare));
    let succeeded = failing.is_none();
    let mut compared = failing.map_or(request.compare.len(), |failing| failing + 1) as u64;
    path.push(succeeded);
    for op in branch(request, succeeded) {
        if let Some(RequestOpKind::Txn(txn)) = &op.request {
            compared += choose_branches(store, txn, path);
        }
    }
    compared
}

/// How many ranges a transaction read that does nothing else.
fn reads(response: &TxnResponse) -> u64 {
    let reads_of = |op: &ResponseOp| match &op.response {
        Some(ResponseOpKind::Range(_)) => 1,
        Some(ResponseOpKind::Txn(txn)) => reads(txn),
        _ => 0,
    };
    response.responses.iter().map(reads_of).sum()
}

fn branch(request: &TxnRequest, succeeded: bool) -> &[RequestOp] {
    if succeeded { &request.success } else { &request.failure }
}

/// The answers of [`choose_branches`], in its order.
type Path<'a> = std::slice::Iter<'a, bool>;

fn next_branch<'a>(request: &'a TxnRequest, path: &mut Path<'_>) -> (bool, &'a [RequestOp]) {
    let succeeded = *path.next().expect("every transaction that runs was compared");
    (succeeded, branch(request, succeeded))
}

/// True when every key of the compare's range satisfies it. A range without keys is compared as a key that was never
/// written, except by value: nothing is true of a value that is not there.
fn compare_holds(store: &KvStore, compare: &Compare) -> bool {
    let mut found = store.live(KeySpan::of(&compare.key, &compare.range_end)).peekable();
    if found.peek().is_none() {
        return compare.target != CompareTarget::Value as i32 && kv_satisfies(compare, &KeyValue::default());
    }
    found.all(|kv| kv_satisfies(compare, kv))
}

fn kv_satisfies(compare: &Compare, kv: &KeyValue) -> bool {
    // An operand of another target's kind counts as zero, as upstream's typed getters make it.
    let order = match (compare.target(), &compare.target_union) {
        (CompareTarget::Version, Some(TargetUnion::Version(operand))) => kv.version.cmp(operand),
        (CompareTarget::Version, _) => kv.version.cmp(&0),
        (CompareTarget::Create, Some(TargetUnion::CreateRevision(operand))) => kv.create_revision.cmp(operand),
        (CompareTarget::Create, _) => kv.create_revision.cmp(&0),
        (CompareTarget::Mod, Some(TargetUnion::ModRevision(operand))) => kv.mod_revision.cmp(operand),
        (CompareTarget::Mod, _) => kv.mod_revision.cmp(&0),
        (CompareTarget::Value, Some(TargetUnion::Value(operand))) => kv.value.cmp(operand),
        (CompareTarget::Value, _) => kv.value[..].cmp(&[]),
        (CompareTarget::Lease, Some(TargetUnion::Lease(operand))) => kv.lease.cmp(operand),
        (CompareTarget::Lease, _) => kv.lease.cmp(&0),
    };
    match compare.result() {
        CompareResult::Equal => order.is_eq(),
        CompareResult::NotEqual => order.is_ne(),
        CompareResult::Greater => order.is_gt(),
        CompareResult::Less => order.is_lt(),
    }
}

/// Looks over the branches that will run, before any of them does.
struct Check<'a> {
    store: &'a KvStore,
    /// What the branch deletes before the put in hand.
    deleted: Vec<KeySpan<'a>>,
    writes: bool,
}

impl<'a> Check<'a> {
    fn writes(&mut self, request: &'a TxnRequest, path: &mut Path<'_>) -> Result<(), EtcdError> {
        for op in next_branch(request, path).1 {
            match &op.request {
                Some(RequestOpKind::Put(put)) => {
                    self.writes = true;
                    // Upstream's order here is not that of a put by itself.
                    check_kept(self.store, put)?;
                    check_lease(self.store, put)?;
                    // Upstream overlooks this, and the member dies of it.
                    let keeps = put.ignore_value || put.ignore_lease;
                    if keeps && self.deleted.iter().any(|span| span.contains(&put.key)) {
                        return Err(EtcdError::KeyNotFound);
                    }
                }
                Some(RequestOpKind::DeleteRange(delete)) => {
                    self.writes = true;
                    self.deleted.push(KeySpan::of(&delete.key, &delete.range_end));
                }
                Some(RequestOpKind::Txn(txn)) => self.writes(txn, path)?,
                Some(RequestOpKind::Range(_)) | None => {}
            }
        }
        Ok(())
    }

    fn reads(&self, request: &TxnRequest, path: &mut Path<'_>) -> Result<(), EtcdError> {
        for op in next_branch(request, path).1 {
            match &op.request {
                Some(RequestOpKind::Range(range)) if range.revision > self.store.revision() => {
                    return Err(EtcdError::FutureRev);
                }
                Some(RequestOpKind::Range(range))
                    if range.revision != 0 && range.revision < self.store.compact_revision() =>
                {
                    return Err(EtcdError::Compacted);
                }
                Some(RequestOpKind::Txn(txn)) => self.reads(txn, path)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// What a transaction runs on: the store itself when it only reads.
enum Access<'a, 'store> {
    Read(&'a KvStore),
    Write(&'a mut WriteTxn<'store>),
}

/// Runs the chosen branch. Nested transactions answer with an empty header.
fn run(access: &mut Access<'_, '_>, request: &TxnRequest, path: &mut Path<'_>) -> Result<TxnResponse, EtcdError> {
    let (succeeded, ops) = next_branch(request, path);
    let mut responses = Vec::with_capacity(ops.len());
    for op in ops {
        let response = match (op.request.as_ref(), &mut *access) {
            (Some(RequestOpKind::Range(request)), Access::Read(store)) => {
                ResponseOpKind::Range(apply_range(store, request)?)
            }
            (Some(RequestOpKind::Range(request)), Access::Write(txn)) => {
                txn.count_range();
                ResponseOpKind::Range(range(request, |span, options| txn.range(span, options))?)
            }
            (Some(RequestOpKind::Put(request)), Access::Write(txn)) => ResponseOpKind::Put(put(txn, request)),
            (Some(RequestOpKind::DeleteRange(request)), Access::Write(txn)) => {
                ResponseOpKind::DeleteRange(delete_range(txn, request))
            }
            (Some(RequestOpKind::Txn(request)), access) => ResponseOpKind::Txn(run(access, request, path)?),
            (Some(RequestOpKind::Put(_) | RequestOpKind::DeleteRange(_)), Access::Read(_)) => {
                unreachable!("a branch that writes runs on a write transaction")
            }
            (None, _) => return Err(EtcdError::KeyNotFound),
        };
        responses.push(ResponseOp { response: Some(response) });
    }
    Ok(TxnResponse { header: Some(ResponseHeader::default()), succeeded, responses })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn put_op(key: &'static [u8], value: &'static [u8], ignore_value: bool) -> RequestOp {
        let (key, value) = (Bytes::from_static(key), Bytes::from_static(value));
        let put = PutRequest { key, value, ignore_value, ..PutRequest::default() };
        RequestOp { request: Some(RequestOpKind::Put(put)) }
    }

    /// Upstream lets this pass, and every member that applies it dies.
    #[test]
    fn a_put_cannot_keep_a_value_that_its_transaction_deletes() {
        let mut store = WatchableStore::default();
        let success = vec![put_op(b"b", b"1", false)];
        apply_txn(&mut store, &TxnRequest { success, ..TxnRequest::default() }).expect("a plain put");
        let (key, range_end) = (Bytes::from_static(b"a"), Bytes::from_static(&[0]));
        let delete = DeleteRangeRequest { key, range_end, prev_kv: false };
        let delete = RequestOp { request: Some(RequestOpKind::DeleteRange(delete)) };
        let request = TxnRequest { success: vec![delete, put_op(b"b", b"", true)], ..TxnRequest::default() };
        assert_eq!(check_txn(&request, 128), Ok(()));
        assert_eq!(apply_txn(&mut store, &request), Err(EtcdError::KeyNotFound));
        assert_eq!((store.kv().revision(), store.kv().entry_count()), (2, 1));
    }
}
