//! Leases: promises that end unless renewed, and the keys that end with them.
//!
//! The lessor counts time only where it is primary, that is on the leader; elsewhere leases live until the leader's
//! revocation arrives through the log. Deleting the keys of a revoked lease is
//! [`WatchableStore::revoke`](crate::etcd::mvcc::WatchableStore::revoke)'s.
//!
//! Upstream: `server/lease/lessor.go` of 3.5.

use bytes::Bytes;
use imbl::{OrdMap, OrdSet};
use std::collections::BTreeSet;

use super::error::EtcdError;
use crate::sim::clock::{Micros, SimTime};

/// Longest time to live that may be asked for, in seconds.
pub const MAX_TTL: i64 = 9_000_000_000;
/// How many leases are revoked in a second at most.
pub const REVOKE_RATE: usize = 1_000;
/// A lease whose revocation was not carried out is tried again after so long.
const REVOKE_RETRY: Micros = Micros::from_secs(3);
/// `--experimental-enable-lease-checkpoint`: how often a long lease's remaining time is agreed upon.
const CHECKPOINT_INTERVAL: Micros = Micros::from_secs(300);
const SECOND: Micros = Micros::from_secs(1);

/// One lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Granted time to live, in seconds.
    ttl: i64,
    /// What was left at the last checkpoint, in seconds; 0 for never checkpointed.
    remaining: i64,
    /// When it ends; `None` where this lessor is not primary.
    expiry: Option<SimTime>,
    /// When to look whether it has ended: its end, or later if it was found ended already.
    look: Option<SimTime>,
    /// When to agree upon what it has left.
    checkpoint: Option<SimTime>,
    keys: OrdSet<Bytes>,
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

    /// Whole seconds left, less than nothing if it should have ended; the granted time to live where nobody counts.
    pub fn remaining(&self, now: SimTime) -> i64 {
        match self.expiry {
            Some(expiry) => (expiry.since(now).0 / SECOND.0) as i64 - (now.since(expiry).0 / SECOND.0) as i64,
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

    fn has_expired(&self, now: SimTime) -> bool {
        self.expiry.is_some_and(|expiry| expiry <= now)
    }
}

/// What comes of renewing a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It has this time to live anew. If `clear`, the cluster must forget what was left at its last checkpoint.
    Renewed {
        ttl: i64,
        clear: bool,
    },
    NotFound,
    /// Its time is over: it waits to be revoked, or for another primary.
    Expired,
    /// Only the leader can tell.
    NotPrimary,
}

/// The table of leases.
#[derive(Clone, Debug, Hash)]
pub struct Lessor {
    leases: OrdMap<i64, Lease>,
    /// When to look at the counted leases, soonest first.
    looks: BTreeSet<(SimTime, i64)>,
    /// When to agree upon what is left of long leases.
    checkpoints: BTreeSet<(SimTime, i64)>,
    checkpointing: bool,
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
        let min_ttl = (election_timeout.0 * 3 / 2).div_ceil(SECOND.0) as i64;
        Lessor {
            leases: OrdMap::new(),
            looks: BTreeSet::new(),
            checkpoints: BTreeSet::new(),
            checkpointing: false,
            min_ttl,
            primary: false,
        }
    }

    /// With `--experimental-enable-lease-checkpoint`.
    #[must_use]
    pub fn with_checkpoints(self, checkpointing: bool) -> Lessor {
        Lessor { checkpointing, ..self }
    }

    pub fn exists(&self, id: i64) -> bool {
        self.leases.contains_key(&id)
    }

    pub fn get(&self, id: i64) -> Option<&Lease> {
        self.leases.get(&id)
    }

    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    /// All leases by id.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Lease)> {
        self.leases.iter().map(|(id, lease)| (*id, lease))
    }

    /// Lease ids, the one that ends soonest first; those nobody counts come last, by id.
    pub fn by_expiry(&self) -> Vec<i64> {
        let mut ids: Vec<(bool, Option<SimTime>, i64)> =
            self.iter().map(|(id, lease)| (lease.expiry.is_none(), lease.expiry, id)).collect();
        ids.sort_unstable();
        ids.into_iter().map(|(_, _, id)| id).collect()
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
            self.count(id, now + Micros::from_secs(ttl as u64));
            self.schedule_checkpoint(id, now);
        }
        Ok(ttl)
    }

    /// Puts back a lease read from a snapshot; it counts from the next promotion on.
    pub fn restore(&mut self, id: i64, ttl: i64, remaining: i64) {
        let ttl = ttl.clamp(self.min_ttl, MAX_TTL);
        let lease = Lease { ttl, remaining, expiry: None, look: None, checkpoint: None, keys: OrdSet::new() };
        self.leases.insert(id, lease);
    }

    /// Forgets a lease. Returns the keys that were attached to it, in byte order.
    pub fn remove(&mut self, id: i64) -> Result<OrdSet<Bytes>, EtcdError> {
        let lease = self.leases.remove(&id).ok_or(EtcdError::LeaseNotFound)?;
        if let Some(look) = lease.look {
            self.looks.remove(&(look, id));
        }
        if let Some(at) = lease.checkpoint {
            self.checkpoints.remove(&(at, id));
        }
        Ok(lease.keys)
    }

    /// Starts a lease's time anew.
    pub fn renew(&mut self, id: i64, now: SimTime) -> Renewal {
        if !self.primary {
            return Renewal::NotPrimary;
        }
        let Some(lease) = self.leases.get_mut(&id) else { return Renewal::NotFound };
        if lease.has_expired(now) {
            return Renewal::Expired;
        }
        let clear = self.checkpointing && lease.remaining > 0;
        lease.remaining = 0;
        let ttl = lease.ttl;
        self.count(id, now + Micros::from_secs(ttl as u64));
        Renewal::Renewed { ttl, clear }
    }

    /// Gives a lease that has ended its whole time again, which is for whoever broke the rule to want. Returns its time to
    /// live.
    pub fn revive(&mut self, id: i64, now: SimTime) -> i64 {
        let ttl = self.get(id).map_or(0, Lease::ttl);
        self.count(id, now + Micros::from_secs(ttl as u64));
        ttl
    }

    /// Notes what a lease has left, so that a new leader does not give it its full time again.
    pub fn checkpoint(&mut self, id: i64, remaining: i64, now: SimTime) {
        let Some(lease) = self.leases.get_mut(&id) else { return };
        lease.remaining = remaining.clamp(0, lease.ttl);
        if self.primary {
            self.schedule_checkpoint(id, now);
        }
    }

    pub fn is_primary(&self) -> bool {
        self.primary
    }

    /// Begins to count: every lease has its time before it, and `extend` more for the change of leader.
    pub fn promote(&mut self, now: SimTime, extend: Micros) {
        self.demote();
        self.primary = true;
        let ends: Vec<(i64, SimTime)> = self.iter().map(|(id, lease)| (id, now + lease.span() + extend)).collect();
        for (id, end) in ends {
            self.count(id, end);
            self.schedule_checkpoint(id, now);
        }
        if self.leases.len() >= REVOKE_RATE {
            self.spread(now, extend);
        }
    }

    /// Many leases that would end in the same second end one after another, so that revoking them leaves room for others.
    fn spread(&mut self, now: SimTime, extend: Micros) {
        let per_second = 3 * REVOKE_RATE as u64 / 4;
        let left = |lessor: &Lessor, id| lessor.get(id).and_then(Lease::expiry).map_or(Micros(0), |end| end.since(now));
        let ids = self.by_expiry();
        let Some(first) = ids.first() else { return };
        let mut base = left(self, *first);
        let mut next = base + SECOND;
        let mut expires = 0;
        for id in ids {
            let remaining = left(self, id);
            if remaining > next {
                (base, next, expires) = (remaining, remaining + SECOND, 1);
                continue;
            }
            expires += 1;
            if expires <= per_second {
                continue;
            }
            let delay = Micros((SECOND.0 * expires / per_second).saturating_sub(remaining.0 - base.0.min(remaining.0)));
            next = base + delay;
            let span = self.get(id).map_or(Micros(0), Lease::span);
            self.count(id, now + span + delay + extend);
            self.schedule_checkpoint(id, now);
        }
    }

    /// Ceases to count.
    pub fn demote(&mut self) {
        self.primary = false;
        let counted: Vec<i64> = self.looks.iter().map(|(_, id)| *id).collect();
        for id in counted {
            let lease = self.leases.get_mut(&id).expect("a counted lease is in the table");
            (lease.expiry, lease.look, lease.checkpoint) = (None, None, None);
        }
        self.looks = BTreeSet::new();
        self.checkpoints = BTreeSet::new();
    }

    /// When there may be something to do next: a lease that ends, or one to agree upon.
    pub fn next_due(&self) -> Option<SimTime> {
        let first = |set: &BTreeSet<(SimTime, i64)>| set.first().map(|(at, _)| *at);
        first(&self.looks).into_iter().chain(first(&self.checkpoints)).min()
    }

    /// Leases whose time is over, soonest first, at most so many. They are named again if they are still there later.
    pub fn take_expired(&mut self, now: SimTime, limit: usize) -> Vec<i64> {
        let mut expired = Vec::new();
        while expired.len() < limit
            && let Some((at, id)) = self.looks.first().copied()
            && at <= now
        {
            self.look_at(id, now + REVOKE_RETRY);
            if self.leases[&id].has_expired(now) {
                expired.push(id);
            }
        }
        expired
    }

    /// Long leases whose remaining time, in seconds, should now be agreed upon; at most so many.
    pub fn take_checkpoints(&mut self, now: SimTime, limit: usize) -> Vec<(i64, i64)> {
        let mut due = Vec::new();
        while due.len() < limit
            && let Some((at, id)) = self.checkpoints.first().copied()
            && at <= now
        {
            self.checkpoints.pop_first();
            let lease = self.leases.get_mut(&id).expect("a lease with a checkpoint is in the table");
            lease.checkpoint = None;
            let Some(expiry) = lease.expiry.filter(|expiry| *expiry >= now) else { continue };
            let remaining = expiry.since(now).0.div_ceil(SECOND.0) as i64;
            if remaining < lease.ttl {
                due.push((id, remaining));
            }
        }
        due
    }

    fn count(&mut self, id: i64, end: SimTime) {
        if let Some(lease) = self.leases.get_mut(&id) {
            lease.expiry = Some(end);
        }
        self.look_at(id, end);
    }

    fn look_at(&mut self, id: i64, at: SimTime) {
        let Some(lease) = self.leases.get_mut(&id) else { return };
        if let Some(old) = lease.look.replace(at) {
            self.looks.remove(&(old, id));
        }
        self.looks.insert((at, id));
    }

    /// Only leases that last longer than the interval are worth it.
    fn schedule_checkpoint(&mut self, id: i64, now: SimTime) {
        let Some(lease) = self.leases.get_mut(&id) else { return };
        if !self.checkpointing || lease.span() <= CHECKPOINT_INTERVAL {
            return;
        }
        let at = now + CHECKPOINT_INTERVAL;
        if let Some(old) = lease.checkpoint.replace(at) {
            self.checkpoints.remove(&(old, id));
        }
        self.checkpoints.insert((at, id));
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

    fn expiry(lessor: &Lessor, id: i64) -> Option<SimTime> {
        lessor.get(id).and_then(Lease::expiry)
    }

    #[test]
    fn only_a_primary_counts() {
        let mut lessor = Lessor::default();
        assert_eq!(lessor.grant(1, 10, at(0)), Ok(10));
        assert_eq!((expiry(&lessor, 1), lessor.next_due()), (None, None));
        assert_eq!(lessor.renew(1, at(1)), Renewal::NotPrimary);
        lessor.promote(at(100), Micros::from_secs(1));
        assert_eq!(expiry(&lessor, 1), Some(at(111)));
        assert_eq!(lessor.grant(2, 5, at(101)), Ok(5));
        assert_eq!(lessor.by_expiry(), [2, 1]);
        assert_eq!(lessor.take_expired(at(106), 9), [2]);
        lessor.demote();
        assert_eq!((lessor.next_due(), expiry(&lessor, 2)), (None, None));
    }

    #[test]
    fn what_has_ended_cannot_be_renewed_and_is_named_until_it_is_gone() {
        let mut lessor = Lessor::default();
        lessor.promote(at(0), Micros(0));
        for id in 1..=3 {
            lessor.grant(id, 10, at(0)).expect("a free id");
        }
        assert_eq!(lessor.renew(3, at(9)), Renewal::Renewed { ttl: 10, clear: false });
        assert_eq!(lessor.take_expired(at(10), 1), [1]);
        assert_eq!(lessor.take_expired(at(10), 9), [2]);
        assert_eq!(lessor.renew(1, at(11)), Renewal::Expired);
        assert_eq!((lessor.get(1).map(|lease| lease.remaining(at(12)))), Some(-2));
        lessor.remove(1).expect("it is still there");
        assert_eq!(lessor.renew(1, at(11)), Renewal::NotFound);
        assert!(lessor.take_expired(at(12), 9).is_empty());
        assert_eq!(lessor.take_expired(at(13), 9), [2]);
    }

    #[test]
    fn a_checkpoint_outlives_the_primary_and_a_renewal_outlives_the_checkpoint() {
        let mut lessor = Lessor::default().with_checkpoints(true);
        lessor.promote(at(0), Micros(0));
        lessor.grant(1, 1_000, at(0)).expect("a free id");
        lessor.grant(2, 300, at(0)).expect("a free id");
        assert!(lessor.take_checkpoints(at(299), 9).is_empty());
        assert_eq!(lessor.take_checkpoints(at(300), 9), [(1, 700)]);
        lessor.checkpoint(1, 700, at(300));
        lessor.demote();
        lessor.promote(at(400), Micros(0));
        assert_eq!(expiry(&lessor, 1), Some(at(1_100)));
        assert_eq!(lessor.take_checkpoints(at(700), 9), [(1, 400)]);
        assert_eq!(lessor.renew(1, at(800)), Renewal::Renewed { ttl: 1_000, clear: true });
        assert_eq!(lessor.renew(1, at(800)), Renewal::Renewed { ttl: 1_000, clear: false });
        assert_eq!(expiry(&lessor, 1), Some(at(1_800)));
    }

    #[test]
    fn leases_that_would_end_together_are_spread() {
        let mut lessor = Lessor::default();
        for id in 1..=4_000 {
            lessor.grant(id, 10, at(0)).expect("a free id");
        }
        lessor.promote(at(0), Micros(0));
        let mut seconds = std::collections::BTreeMap::new();
        for (_, lease) in lessor.iter() {
            *seconds.entry(lease.remaining(at(0))).or_insert(0_usize) += 1;
        }
        assert!(seconds.len() >= 5, "{seconds:?}");
        assert!(seconds.values().all(|count| *count <= REVOKE_RATE), "{seconds:?}");
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
        assert_eq!(lessor.remove(1), Ok(OrdSet::new()));
        assert_eq!(lessor.remove(1), Err(EtcdError::LeaseNotFound));
    }
}
