//! The space quota and the alarms: what a request would cost, and what an alarm forbids.
//!
//! Pure, as its parent. A member asks [`Quota::allows`] before it proposes and raises NOSPACE when refused; when a
//! request comes back committed, [`Alarms::check`] says whether it may still be applied.
//!
//! Upstream: `server/etcdserver/quota.go`, `apply.go` and `server/etcdserver/api/v3alarm` of 3.5.

use imbl::OrdSet;

use crate::etcd::api::{AlarmType, PutRequest, Request, RequestOp, RequestOpKind, TxnRequest};
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

/// What a call may take in the file.
pub fn cost(request: &Request) -> i64 {
    match request {
        Request::Put(put) => put_cost(put),
        Request::Txn(txn) => txn_cost(txn),
        Request::LeaseGrant(_) => LEASE_COST,
        _ => 0,
    }
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
    /// What the flag says: nothing for the usual quota, less than nothing for none.
    pub fn of_flag(bytes: i64) -> Quota {
        let bytes = match bytes {
            0 => DEFAULT_QUOTA,
            1.. => bytes,
            _ => i64::MAX,
        };
        Quota { bytes }
    }

    /// Whether a request of this cost fits beside what the file holds. What costs nothing always does.
    pub fn allows(self, db_size: i64, cost: i64) -> bool {
        cost == 0 || db_size.saturating_add(cost) < self.bytes
    }
}

/// What is wrong with a member. Numbers are the API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i32)]
pub enum Alarm {
    NoSpace = 1,
    Corrupt = 2,
}

impl Alarm {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Alarm::NoSpace => AlarmType::NoSpace.name(),
            Alarm::Corrupt => AlarmType::Corrupt.name(),
        }
    }
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
///
/// Upstream enforces an alarm by wrapping what applies requests, and that is copied with its consequences: the first alarm
/// of a kind takes the place of what was in force, the checks of permissions and quota included, and lifting the last one
/// of a kind lifts all. A restart puts everything right.
#[derive(Clone, Debug, Default, Hash)]
pub struct Alarms {
    raised: OrdSet<(Alarm, u64)>,
    no_space: bool,
    corrupt: bool,
    /// Permissions and quota are not checked.
    bare: bool,
}

impl Alarms {
    /// What a database says; [`Alarms::restart`] puts it in force.
    pub fn restore(raised: impl IntoIterator<Item = (Alarm, u64)>) -> Alarms {
        let mut alarms = Alarms { raised: raised.into_iter().collect(), ..Alarms::default() };
        alarms.restart();
        alarms
    }

    /// Raises an alarm for a member.
    pub fn raise(&mut self, alarm: Alarm, member: u64) {
        if !self.is_raised(alarm) {
            (self.no_space, self.corrupt) = (alarm == Alarm::NoSpace, alarm == Alarm::Corrupt);
            self.bare = true;
        }
        self.raised.insert((alarm, member));
    }

    /// Lifts a member's alarm; false if it was not raised.
    pub fn disarm(&mut self, alarm: Alarm, member: u64) -> bool {
        let was_raised = self.raised.remove(&(alarm, member)).is_some();
        if was_raised && !self.is_raised(alarm) {
            (self.no_space, self.corrupt, self.bare) = (false, false, false);
        }
        was_raised
    }

    /// Puts every raised alarm in force, and the other checks as well, as a member that starts does. True if that changes
    /// anything.
    pub fn restart(&mut self) -> bool {
        let before = (self.no_space, self.corrupt, self.bare);
        let now = (self.is_raised(Alarm::NoSpace), self.is_raised(Alarm::Corrupt), false);
        (self.no_space, self.corrupt, self.bare) = now;
        before != now
    }

    /// Whether permissions and quota are checked.
    pub fn is_guarded(&self) -> bool {
        !self.bare
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
