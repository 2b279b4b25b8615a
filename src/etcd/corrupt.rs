//! Whether members hold the same: they compare hashes of their stores.
//!
//! The leader does it now and then (`--experimental-corrupt-check-time`) and raises an alarm for who differs; a member that
//! starts may do it first (`--experimental-initial-corrupt-check`) and then does not go on if it differs.
//!
//! Upstream: `server/etcdserver/corrupt.go` of 3.5.
// Simplified: a member that starts joins the others while it waits for their hashes; upstream waits first.

use super::api::HashKvResponse;
use super::apply::quota::Alarm;
use super::error::EtcdError;
use super::member::{Member, MemberNote, Moment};
use super::wire::Wire;
use super::{Fact, Note, Outbox};
use crate::raft::PeerId;
use crate::sim::{Delivery, HostId};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, Hash)]
pub struct Corruption {
    number: u64,
    round: Option<Round>,
}

/// One comparison.
#[derive(Clone, Debug, Hash)]
struct Round {
    number: u64,
    at_start: bool,
    own: Hashed,
    /// Peers that were asked, and what they said.
    told: BTreeMap<PeerId, Option<HashKvResponse>>,
}

/// What a member's store comes to at a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Hashed {
    hash: u32,
    revision: i64,
    compacted: i64,
}

impl Member {
    fn hashed(&self) -> Option<Hashed> {
        let kv = self.applier.store.kv();
        Some(Hashed { hash: kv.hash_kv(0).ok()?, revision: kv.revision(), compacted: kv.compact_revision() })
    }

    /// Sets the timer of the leader's next comparison.
    pub(super) fn arm_corrupt_check(&mut self, out: &mut Outbox) {
        let every = self.cluster.settings.corrupt_check_time;
        if every.0 > 0 {
            out.wake(every, Note::Member(MemberNote::CorruptCheck));
        }
    }

    /// The time of a comparison has come. What was not answered since the last one counts as not said.
    pub(super) fn corrupt_check(&mut self, at: Moment, out: &mut Outbox) {
        self.arm_corrupt_check(out);
        if let Some(round) = self.corruption.round.take() {
            self.judge(at, &round, out);
        }
        if self.leads() {
            self.compare(false, out);
        }
    }

    /// Asks every peer for its hash at the revision that this member has.
    pub(super) fn compare(&mut self, at_start: bool, out: &mut Outbox) {
        let Some(own) = self.hashed() else { return };
        self.metrics.hash_rev += 1;
        self.corruption.number += 1;
        let number = self.corruption.number;
        let peers: Vec<(PeerId, HostId)> = self.peers.iter().collect();
        for (_, host) in &peers {
            let wire = Wire::HashKvAsk { number, revision: own.revision };
            let bytes = wire.size();
            out.send(*host, wire, bytes, Delivery::Stream);
        }
        let told = peers.into_iter().map(|(peer, _)| (peer, None)).collect();
        self.corruption.round = Some(Round { number, at_start, own, told });
    }

    pub(super) fn hash_asked(&mut self, from: HostId, number: u64, revision: i64, out: &mut Outbox) {
        self.metrics.hash_rev += 1;
        let tell =
            self.hash_kv(revision).map(|response| HashKvResponse { header: Some(self.own_header()), ..response });
        let wire = Wire::HashKvTell { number, tell };
        let bytes = wire.size();
        out.send(from, wire, bytes, Delivery::Stream);
    }

    pub(super) fn hash_told(
        &mut self,
        at: Moment,
        from: HostId,
        number: u64,
        tell: &Result<HashKvResponse, EtcdError>,
        out: &mut Outbox,
    ) {
        let Some(peer) = self.peers.on(from) else { return };
        let Some(round) = self.corruption.round.as_mut().filter(|round| round.number == number) else { return };
        match tell {
            Ok(response) => drop(round.told.insert(peer, Some(response.clone()))),
            Err(_) => drop(round.told.remove(&peer)),
        }
        if round.told.values().all(Option::is_some)
            && let Some(round) = self.corruption.round.take()
        {
            self.judge(at, &round, out);
        }
    }

    fn judge(&mut self, at: Moment, round: &Round, out: &mut Outbox) {
        let Some(now) = self.hashed() else { return };
        let own = round.own;
        let mut told = round.told.iter().filter_map(|(peer, told)| Some((*peer, told.as_ref()?)));
        if round.at_start {
            if told.any(|(_, told)| told.hash != own.hash && told.compact_revision == own.compacted) {
                let why = format!("{:x} found data inconsistency with peers", self.id.0);
                self.stop(Fact::Panicked { why }, out);
            }
            return;
        }
        let changed = now.revision == own.revision && now.compacted == own.compacted && now.hash != own.hash;
        let differs = |told: &HashKvResponse| {
            told.header.as_ref().is_some_and(|header| header.revision > now.revision)
                || told.compact_revision > now.compacted
                || (told.compact_revision == own.compacted && told.hash != own.hash)
        };
        let culprit = if changed { Some(self.id) } else { told.find(|(_, told)| differs(told)).map(|(peer, _)| peer) };
        if let Some(culprit) = culprit {
            self.raise_alarm(at, Alarm::Corrupt, culprit.0, out);
        }
    }
}
