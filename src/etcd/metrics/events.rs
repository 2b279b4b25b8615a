//! What passes between members, as it is counted.

use crate::etcd::member::Member;
use crate::raft::{Message, MessageType, PeerId};
use crate::sim::SimTime;

impl Member {
    /// A message came from a peer.
    pub(in crate::etcd) fn count_message(&mut self, now: SimTime, message: &Message) {
        match message.msg_type {
            MessageType::MsgHeartbeatResp => self.metrics.heartbeat_answered(message.from, now),
            MessageType::MsgSnap if message.snapshot.is_some() => {
                self.metrics.began.receiving = Some((message.from, now));
            }
            _ => {}
        }
    }

    /// A message goes to a peer.
    pub(in crate::etcd) fn count_sent(&mut self, now: SimTime, to: PeerId, bytes: u32, beats: bool) {
        if beats {
            self.metrics.heartbeat_sent(to, now, self.cluster.timing.heartbeat);
        }
        let active = self.peers.active_since(to, now).is_some();
        let peer = self.metrics.peer(to);
        // Simplified: upstream sees each message fail; here those count that are sent while nothing comes from the peer.
        if active {
            peer.sent_bytes += u64::from(bytes);
        } else {
            peer.sent_failures += 1;
        }
    }

    /// A snapshot that was being sent was taken, or was not in time.
    pub(in crate::etcd) fn count_snapshot_sent(&mut self, now: SimTime, to: PeerId, taken: bool) {
        let peer = self.metrics.peer(to);
        let Some(began) = peer.snapshot_sending.take() else { return };
        if taken {
            peer.snapshots_sent += 1;
            peer.snapshot_send.observe(now.since(began).0);
            self.metrics.backend_snapshot.observe(now.since(began).0);
        } else {
            peer.snapshot_send_failures += 1;
        }
    }

    /// A database that came from a peer is durable.
    pub(in crate::etcd) fn count_received(&mut self, now: SimTime) {
        let took = now.since(self.metrics.began.received_sync).0;
        self.metrics.snap_db_fsync.observe(took);
        self.metrics.snap_db_save.observe(took);
        let Some((from, began)) = self.metrics.began.receiving.take() else { return };
        let peer = self.metrics.peer(from);
        peer.snapshots_received += 1;
        peer.snapshot_receive.observe(now.since(began).0);
    }
}
