//! The space quota and the alarms: what a request would cost, and what an alarm forbids.
//!
//! Pure, as its parent. A member asks [`Quota::allows`] before it proposes and raises NOSPACE when refused; when a
//! request comes back committed, [`Alarms::check`] says whether it may still be applied.
//!
//! Upstream: `server/etcdserver/quota.go`, `apply.go` and `server/etcdserver/api/v3alarm` of 3.5.

use imbl::OrdSet;

use crate::etcd::api::{PutRequest, RequestOp, RequestOpKind, TxnRequest};
use crate::etcd::error::EtcdError;

/// etcd's quota when none is asked for: 2 GiB.
pub const DEFAULT_QUOTA: i64 = 2 * 1024 * 1024 * 1024;

/// What a lease may take in the file.
pub const LEASE_COST: i64 = 64;
/// What a value may take in the file beside its key and itself.
const KV_OVERHEAD: i64 = 256;

pub fn put_cost(request: &PutRequest) -> i64 {
    KV_OVERHEAD + (request.key.len() + request.value.len()) as i64
}

/// The dearer branch. As upstream, nested transactions cost nothing.
pub fn txn_cost(request: &TxnRequest) -> i64 {
    let branch = |ops: &[RequestOp]| -> i64 {
        let puts = ops.iter().filter_map(|op| match &op.request {
            Some(RequestOpKind::Put(put)) => Some(put_cost(put)),
            _ => None,
        });
        puts.sum()
    };
    branch(&request.success).max(branch(&request.failure))
}

/// How large the database file may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    pub bytes: i64,
}

impl Default for Quota {
    fn default() -> Quota {
        Quota { bytes: DEFAULT_QUOTA }
    }
}

impl Quota {
    /// Whether a request of this cost fits beside what the file holds. What costs nothing always does.
    pub fn allows(self, db_size: i64, cost: i64) -> bool {
        cost == 0 || db_size + cost < self.bytes
    }
}

/// What is wrong with a member. Numbers are the API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i32)]
pub enum Alarm {
    NoSpace = 1,
    Corrupt = 2,
}

/// A request as alarms see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gated {
    /// A put, a lease grant, or a transaction that [`txn_cost`]s something.
    Grows,
    /// Any other request that goes through the log to the store.
    Changes,
}

/// The alarms raised in the cluster, and those in force.
#[derive(Clone, Debug, Default, Hash)]
pub struct Alarms {
    raised: OrdSet<(Alarm, u64)>,
    no_space: bool,
    corrupt: bool,
}

impl Alarms {
    /// Raises an alarm for a member. As upstream, the alarm raised last is the only one in force until a restart.
    pub fn raise(&mut self, alarm: Alarm, member: u64) {
        self.raised.insert((alarm, member));
        self.no_space = alarm == Alarm::NoSpace;
        self.corrupt = alarm == Alarm::Corrupt;
    }

    /// Lifts a member's alarm; false if it was not raised. As upstream, when no alarm of its kind is left, no alarm of
    /// any kind is in force until a restart.
    pub fn disarm(&mut self, alarm: Alarm, member: u64) -> bool {
        let was_raised = self.raised.remove(&(alarm, member)).is_some();
        if was_raised && !self.is_raised(alarm) {
            self.no_space = false;
            self.corrupt = false;
        }
        was_raised
    }

    /// Puts every alarm in force again, as a member that starts does.
    pub fn restart(&mut self) {
        self.no_space = self.is_raised(Alarm::NoSpace);
        self.corrupt = self.is_raised(Alarm::Corrupt);
    }

    /// Raised alarms and their members: by alarm, then by member.
    pub fn iter(&self) -> impl Iterator<Item = (Alarm, u64)> {
        self.raised.iter().copied()
    }

    /// Refuses a committed request that an alarm in force forbids.
    pub fn check(&self, request: Gated) -> Result<(), EtcdError> {
        match request {
            _ if self.corrupt => Err(EtcdError::Corrupt),
            Gated::Grows if self.no_space => Err(EtcdError::NoSpace),
            Gated::Grows | Gated::Changes => Ok(()),
        }
    }

    fn is_raised(&self, alarm: Alarm) -> bool {
        self.raised.iter().any(|(raised, _)| *raised == alarm)
    }
}
