//! Leases: promises that end unless renewed, and the keys that end with them.
//!
//! The lessor counts time only where it is primary, that is on the leader; elsewhere leases live until the leader's
//! revocation arrives through the log. Deleting the keys of a revoked lease is
//! [`WatchableStore::revoke`](crate::etcd::mvcc::WatchableStore::revoke)'s.
//!
//! Upstream: `server/lease/lessor.go` of 3.5.

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

use super::error::EtcdError;
use crate::sim::clock::{Micros, SimTime};

/// Longest time to live that may be asked for, in seconds.
pub const MAX_TTL: i64 = 9_000_000_000;

/// One lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Granted time to live, in seconds.
    ttl: i64,
    /// What was left at the last checkpoint, in seconds; 0 for never checkpointed.
    remaining: i64,
    /// When it ends; `None` where this lessor is not primary.
    expiry: Option<SimTime>,
    keys: BTreeSet<Bytes>,
}

impl Lease {
    pub fn ttl(&self) -> i64 {
        self.ttl
    }

    /// Attached keys, in byte order.
    pub fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.keys.iter()
    }

    pub fn expiry(&self) -> Option<SimTime> {
        self.expiry
    }

    /// Whole seconds left; the granted time to live where nobody counts.
    pub fn remaining(&self, now: SimTime) -> i64 {
        match self.expiry {
            Some(expiry) => (expiry.since(now).0 / Micros::from_secs(1).0) as i64,
            None => self.ttl,
        }
    }

    /// Seconds it had left at its last checkpoint; 0 if it has its full time.
    pub fn checkpointed(&self) -> i64 {
        self.remaining
    }

    fn span(&self) -> Micros {
        let seconds = if self.remaining > 0 { self.remaining } else { self.ttl };
        Micros::from_secs(seconds as u64)
    }
}

/// The table of leases.
#[derive(Clone, Debug, Hash)]
pub struct Lessor {
    leases: BTreeMap<i64, Lease>,
    /// Ends of the counted leases, soonest first.
    expiries: BTreeSet<(SimTime, i64)>,
    min_ttl: i64,
    primary: bool,
}

impl Default for Lessor {
    /// A lessor of a member with the default election timeout.
    fn default() -> Lessor {
        Lessor::new(Micros::from_millis(1000))
    }
}

impl Lessor {
    /// The shortest lease is one and a half election timeouts, in whole seconds.
    pub fn new(election_timeout: Micros) -> Lessor {
        let min_ttl = (election_timeout.0 * 3 / 2).div_ceil(Micros::from_secs(1).0) as i64;
        Lessor { leases: BTreeMap::new(), expiries: BTreeSet::new(), min_ttl, primary: false }
    }

    pub fn exists(&self, id: i64) -> bool {
        self.leases.contains_key(&id)
    }

    pub fn get(&self, id: i64) -> Option<&Lease> {
        self.leases.get(&id)
    }

    /// All leases by id.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Lease)> {
        self.leases.iter().map(|(id, lease)| (*id, lease))
    }

    /// Lease ids, the one that ends soonest first; those nobody counts come last, by id.
    pub fn by_expiry(&self) -> Vec<i64> {
        let uncounted = self.leases.iter().filter(|(_, lease)| lease.expiry.is_none());
        self.expiries.iter().map(|(_, id)| *id).chain(uncounted.map(|(id, _)| *id)).collect()
    }

    /// Grants a lease. Returns its time to live, which may be longer than asked for.
    pub fn grant(&mut self, id: i64, ttl: i64, now: SimTime) -> Result<i64, EtcdError> {
        if id == 0 {
            return Err(EtcdError::LeaseNotFound);
        }
        if ttl > MAX_TTL {
            return Err(EtcdError::LeaseTtlTooLarge);
        }
        if self.exists(id) {
            return Err(EtcdError::LeaseExist);
        }
        let ttl = ttl.max(self.min_ttl);
        self.restore(id, ttl, 0);
        if self.primary {
            self.renew(id, now)?;
        }
        Ok(ttl)
    }

    /// Puts back a lease read from a snapshot; it counts from the next promotion on.
    pub fn restore(&mut self, id: i64, ttl: i64, remaining: i64) {
        self.leases.insert(id, Lease { ttl: ttl.max(self.min_ttl), remaining, expiry: None, keys: BTreeSet::new() });
    }

    /// Forgets a lease. Returns the keys that were attached to it.
    pub fn remove(&mut self, id: i64) -> Result<BTreeSet<Bytes>, EtcdError> {
        let lease = self.leases.remove(&id).ok_or(EtcdError::LeaseNotFound)?;
        if let Some(expiry) = lease.expiry {
            self.expiries.remove(&(expiry, id));
        }
        Ok(lease.keys)
    }

    /// Starts a lease's time anew. Returns its time to live. If the lease was checkpointed, the leader must have a
    /// checkpoint of 0 agreed upon as well, or its successor would go by the old one.
    pub fn renew(&mut self, id: i64, now: SimTime) -> Result<i64, EtcdError> {
        let lease = self.leases.get_mut(&id).ok_or(EtcdError::LeaseNotFound)?;
        let expiry = now + Micros::from_secs(lease.ttl as u64);
        if let Some(old) = lease.expiry.replace(expiry) {
            self.expiries.remove(&(old, id));
        }
        self.expiries.insert((expiry, id));
        Ok(lease.ttl)
    }

    /// Notes what a lease has left, so that a new leader does not give it its full time again.
    pub fn checkpoint(&mut self, id: i64, remaining: i64) -> Result<(), EtcdError> {
        let lease = self.leases.get_mut(&id).ok_or(EtcdError::LeaseNotFound)?;
        lease.remaining = remaining;
        Ok(())
    }

    pub fn is_primary(&self) -> bool {
        self.primary
    }

    /// Begins to count: every lease has its time before it, and `extend` more for the change of leader.
    // Simplified: upstream also spreads the ends of more than a thousand leases that would end in one second.
    pub fn promote(&mut self, now: SimTime, extend: Micros) {
        self.primary = true;
        self.expiries = BTreeSet::new();
        let ids: Vec<i64> = self.leases.keys().copied().collect();
        for id in ids {
            let lease = self.leases.get_mut(&id).expect("ids were read from the table");
            let expiry = now + lease.span() + extend;
            lease.expiry = Some(expiry);
            self.expiries.insert((expiry, id));
        }
    }

    /// Ceases to count.
    pub fn demote(&mut self) {
        self.primary = false;
        let ids: Vec<i64> = self.expiries.iter().map(|(_, id)| *id).collect();
        self.expiries = BTreeSet::new();
        for id in ids {
            self.leases.get_mut(&id).expect("a counted lease is in the table").expiry = None;
        }
    }

    /// When the next lease ends.
    pub fn next_expiry(&self) -> Option<SimTime> {
        self.expiries.first().map(|(expiry, _)| *expiry)
    }

    /// Leases whose time is over, soonest first.
    pub fn expired(&self, now: SimTime) -> impl Iterator<Item = i64> + '_ {
        self.expiries.iter().take_while(move |(expiry, _)| *expiry <= now).map(|(_, id)| *id)
    }

    pub(super) fn attach(&mut self, id: i64, key: &Bytes) {
        if id != 0
            && let Some(lease) = self.leases.get_mut(&id)
        {
            lease.keys.insert(key.clone());
        }
    }

    pub(super) fn detach(&mut self, id: i64, key: &[u8]) {
        if id != 0
            && let Some(lease) = self.leases.get_mut(&id)
        {
            lease.keys.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + Micros::from_secs(seconds)
    }

    #[test]
    fn only_a_primary_counts() {
        let mut lessor = Lessor::default();
        assert_eq!(lessor.grant(1, 10, at(0)), Ok(10));
        assert_eq!(lessor.next_expiry(), None);
        lessor.promote(at(100), Micros::from_secs(1));
        assert_eq!(lessor.next_expiry(), Some(at(111)));
        assert_eq!(lessor.grant(2, 5, at(101)), Ok(5));
        assert_eq!(lessor.by_expiry(), [2, 1]);
        assert_eq!(lessor.expired(at(106)).collect::<Vec<_>>(), [2]);
        lessor.demote();
        assert_eq!((lessor.next_expiry(), lessor.get(2).and_then(Lease::expiry)), (None, None));
    }

    #[test]
    fn a_checkpoint_outlives_the_primary_and_a_renewal_outlives_the_checkpoint() {
        let mut lessor = Lessor::default();
        lessor.promote(at(0), Micros(0));
        lessor.grant(1, 100, at(0)).expect("a free id");
        lessor.checkpoint(1, 30).expect("a known lease");
        lessor.demote();
        lessor.promote(at(70), Micros(0));
        assert_eq!(lessor.next_expiry(), Some(at(100)));
        assert_eq!(lessor.renew(1, at(80)), Ok(100));
        assert_eq!(lessor.next_expiry(), Some(at(180)));
    }

    #[test]
    fn a_lease_knows_its_keys_as_they_move() {
        let mut lessor = Lessor::default();
        lessor.grant(1, 10, at(0)).expect("a free id");
        let key = Bytes::from_static(b"key");
        lessor.attach(1, &key);
        lessor.attach(0, &key);
        assert_eq!(lessor.get(1).map(|lease| lease.keys().count()), Some(1));
        lessor.detach(1, b"key");
        assert_eq!(lessor.remove(1), Ok(BTreeSet::new()));
        assert_eq!(lessor.remove(1), Err(EtcdError::LeaseNotFound));
    }
}
