//! The other members as the wire knows them: where each is reached, and since when it answers.
//!
//! Upstream: `server/etcdserver/api/rafthttp`, whose streams tell by their life whether a peer is active.

use crate::raft::PeerId;
use crate::sim::{HostId, Micros, SimTime};
use std::collections::BTreeMap;

/// A stream that was silent for so long is broken: rafthttp's `ConnReadTimeout`.
const READ_TIMEOUT: Micros = Micros::from_secs(5);
/// Writers of idle streams send a heartbeat three times in that span.
const LINK_HEARTBEAT: Micros = Micros(READ_TIMEOUT.0 / 3);

#[derive(Clone, Debug, Default, Hash)]
pub struct Peers(BTreeMap<PeerId, Remote>);

#[derive(Clone, Debug, Hash)]
struct Remote {
    host: HostId,
    /// Since when its streams live; meaningless before it was heard.
    since: SimTime,
    heard: Option<SimTime>,
    told: SimTime,
}

impl Peers {
    /// Makes a peer known, or tells where it has moved.
    pub fn add(&mut self, id: PeerId, host: HostId, now: SimTime) {
        let unknown = Remote { host, since: now, heard: None, told: now };
        self.0.entry(id).or_insert(unknown).host = host;
    }

    pub fn remove(&mut self, id: PeerId) {
        self.0.remove(&id);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn host(&self, id: PeerId) -> Option<HostId> {
        self.0.get(&id).map(|remote| remote.host)
    }

    pub fn on(&self, host: HostId) -> Option<PeerId> {
        self.0.iter().find(|(_, remote)| remote.host == host).map(|(id, _)| *id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (PeerId, HostId)> {
        self.0.iter().map(|(id, remote)| (*id, remote.host))
    }

    /// Something came from a peer; `anew` if it opened its streams anew.
    pub fn heard(&mut self, id: PeerId, now: SimTime, anew: bool) {
        let Some(remote) = self.0.get_mut(&id) else { return };
        let was_active = remote.heard.is_some_and(|heard| now.since(heard) <= READ_TIMEOUT);
        if anew || !was_active {
            remote.since = now;
        }
        remote.heard = Some(now);
    }

    pub fn told(&mut self, id: PeerId, now: SimTime) {
        if let Some(remote) = self.0.get_mut(&id) {
            remote.told = now;
        }
    }

    /// How many peers were heard of at all.
    pub fn heard_of(&self) -> usize {
        self.0.values().filter(|remote| remote.heard.is_some()).count()
    }

    /// Since when a peer has been active; `None` if it is not.
    pub fn active_since(&self, id: PeerId, now: SimTime) -> Option<SimTime> {
        let remote = self.0.get(&id)?;
        remote.heard.filter(|heard| now.since(*heard) <= READ_TIMEOUT).map(|_| remote.since)
    }

    /// Peers whose streams have carried nothing for a while, and now do.
    pub fn idle(&mut self, now: SimTime) -> Vec<(PeerId, HostId)> {
        let idle = self.0.iter_mut().filter(|(_, remote)| now.since(remote.told) >= LINK_HEARTBEAT);
        idle.map(|(id, remote)| {
            remote.told = now;
            (*id, remote.host)
        })
        .collect()
    }
}
