//! Linearizable reads: a leader that still leads answers with its commit index.
//!
//! Upstream: `read_only.go`.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::message::{Index, Message, PeerId};

/// How a leader makes sure it still leads before it answers a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReadOnlyOption {
    /// A round of heartbeats confirms it.
    #[default]
    Safe,
    /// The lease confirms it: needs CheckQuorum, and trusts that clocks run at about the same speed.
    LeaseBased,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PendingRead {
    pub request: Message,
    /// The commit index when the request arrived.
    pub index: Index,
    acks: BTreeSet<PeerId>,
}

impl PendingRead {
    fn context(&self) -> &Bytes {
        &self.request.entries[0].data
    }
}

/// Reads that wait for confirmation, oldest first. Confirming one confirms all before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ReadOnly {
    pub option: ReadOnlyOption,
    pending: VecDeque<PendingRead>,
}

impl ReadOnly {
    pub fn new(option: ReadOnlyOption) -> ReadOnly {
        ReadOnly { option, pending: VecDeque::new() }
    }

    /// A request whose context is already waiting is the same request, sent again.
    pub fn add_request(&mut self, index: Index, request: Message) {
        if self.position(&request.entries[0].data).is_none() {
            self.pending.push_back(PendingRead { request, index, acks: BTreeSet::new() });
        }
    }

    /// Counts an acknowledgement; who has acknowledged so far, or nobody if the read no longer waits.
    pub fn receive_ack(&mut self, from: PeerId, context: &Bytes) -> Option<&BTreeSet<PeerId>> {
        let position = self.position(context)?;
        let acks = &mut self.pending[position].acks;
        acks.insert(from);
        Some(acks)
    }

    /// Takes out the read with this context and all before it.
    pub fn advance(&mut self, context: &Bytes) -> impl Iterator<Item = PendingRead> + use<> {
        let confirmed = self.position(context).map_or(0, |position| position + 1);
        let rest = self.pending.split_off(confirmed);
        std::mem::replace(&mut self.pending, rest).into_iter()
    }

    /// The newest waiting read: a heartbeat that confirms it confirms all.
    pub fn last_pending_context(&self) -> Option<&Bytes> {
        self.pending.back().map(PendingRead::context)
    }

    fn position(&self, context: &Bytes) -> Option<usize> {
        self.pending.iter().position(|read| read.context() == context)
    }
}
