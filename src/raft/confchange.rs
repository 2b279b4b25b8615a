//! Changing who takes part: simple changes of one voter, and joint consensus for more.
//!
//! ```text
//!   simple:  (1 2 3) ──────────────────────────────> (1 2 3 4)
//!   joint:   (1 2 3) ── enter ──> (1 4 5)&&(1 2 3) ── leave ──> (1 4 5)
//! ```
//!
//! A [`Changer`] never alters the active configuration: it returns a new one, or says why not.
//!
//! Upstream: `confchange/confchange.go`, `confchange/restore.go`, `raftpb/confchange.go`. The wire form of a change is
//! protobuf's, since it travels as the data of an entry and etcd reads it there.

use std::fmt;

use bytes::Bytes;

use super::message::{ConfState, Entry, EntryType, Index, PeerId};
use super::progress::Progress;
use super::tracker::{ProgressMap, ProgressTracker, TrackerConfig};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConfChangeType {
    #[default]
    AddNode,
    RemoveNode,
    /// Changes nothing here: it carries a context through the log.
    UpdateNode,
    AddLearnerNode,
}

impl ConfChangeType {
    fn from_number(n: u64) -> Option<ConfChangeType> {
        use ConfChangeType::*;
        [AddNode, RemoveNode, UpdateNode, AddLearnerNode].get(usize::try_from(n).ok()?).copied()
    }
}

impl fmt::Display for ConfChangeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfChange{self:?}")
    }
}

/// How a change goes about joint consensus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConfChangeTransition {
    /// Simple if possible, else joint and left automatically.
    #[default]
    Auto,
    /// Joint, and left automatically.
    JointImplicit,
    /// Joint, and left only when asked.
    JointExplicit,
}

impl fmt::Display for ConfChangeTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfChangeTransition{self:?}")
    }
}

/// One step of a change. A `node_id` of zero is skipped: etcd voids a change that way after it was committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConfChangeSingle {
    pub change_type: ConfChangeType,
    pub node_id: PeerId,
}

/// The older form: exactly one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConfChange {
    pub id: u64,
    pub change_type: ConfChangeType,
    pub node_id: PeerId,
    pub context: Bytes,
}

/// Any number of steps. None at all asks to leave the joint configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConfChangeV2 {
    pub transition: ConfChangeTransition,
    pub changes: Vec<ConfChangeSingle>,
    pub context: Bytes,
}

/// A change as it was proposed, in either form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AnyConfChange {
    V1(ConfChange),
    V2(ConfChangeV2),
}

impl From<ConfChange> for ConfChangeV2 {
    fn from(change: ConfChange) -> ConfChangeV2 {
        let step = ConfChangeSingle { change_type: change.change_type, node_id: change.node_id };
        ConfChangeV2 { transition: ConfChangeTransition::Auto, changes: vec![step], context: change.context }
    }
}

impl From<AnyConfChange> for ConfChangeV2 {
    fn from(change: AnyConfChange) -> ConfChangeV2 {
        match change {
            AnyConfChange::V1(change) => change.into(),
            AnyConfChange::V2(change) => change,
        }
    }
}

impl From<ConfChange> for AnyConfChange {
    fn from(change: ConfChange) -> AnyConfChange {
        AnyConfChange::V1(change)
    }
}

impl From<ConfChangeV2> for AnyConfChange {
    fn from(change: ConfChangeV2) -> AnyConfChange {
        AnyConfChange::V2(change)
    }
}

impl ConfChangeV2 {
    /// Asks to leave the joint configuration.
    pub fn is_leave_joint(&self) -> bool {
        self.transition == ConfChangeTransition::Auto && self.changes.is_empty()
    }

    /// If the change goes through a joint configuration: whether that is left automatically.
    pub fn enters_joint(&self) -> Option<bool> {
        match self.transition {
            ConfChangeTransition::Auto => (self.changes.len() > 1).then_some(true),
            ConfChangeTransition::JointImplicit => Some(true),
            ConfChangeTransition::JointExplicit => Some(false),
        }
    }
}

impl AnyConfChange {
    pub fn is_empty(&self) -> bool {
        matches!(self, AnyConfChange::V2(change) if change.changes.is_empty())
    }

    /// The change as an entry to propose.
    pub fn to_entry(&self) -> Entry {
        let (entry_type, data) = match self {
            AnyConfChange::V1(change) => (EntryType::EntryConfChange, change.encode()),
            AnyConfChange::V2(change) => (EntryType::EntryConfChangeV2, change.encode()),
        };
        Entry { entry_type, data, ..Entry::default() }
    }

    /// The change an entry carries; `None` for a normal entry or unreadable data.
    pub fn from_entry(entry: &Entry) -> Option<AnyConfChange> {
        match entry.entry_type {
            EntryType::EntryNormal => None,
            EntryType::EntryConfChange => ConfChange::decode(&entry.data).map(AnyConfChange::V1),
            EntryType::EntryConfChangeV2 => ConfChangeV2::decode(&entry.data).map(AnyConfChange::V2),
        }
    }
}

impl fmt::Display for AnyConfChange {
    /// Protobuf's text form, as upstream logs it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = match self {
            AnyConfChange::V1(change) => {
                if change.id != 0 {
                    write!(f, "id:{} ", change.id)?;
                }
                write!(f, "type:{} node_id:{}", change.change_type, change.node_id.0)?;
                &change.context
            }
            AnyConfChange::V2(change) => {
                write!(f, "transition:{}", change.transition)?;
                for step in &change.changes {
                    write!(f, " changes:{{type:{} node_id:{}}}", step.change_type, step.node_id.0)?;
                }
                &change.context
            }
        };
        if context.is_empty() { Ok(()) } else { write!(f, " context:\"{}\"", context.escape_ascii()) }
    }
}

// The wire form.

fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn put_number(out: &mut Vec<u8>, field: u8, n: u64) {
    out.push(field << 3);
    put_varint(out, n);
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

enum Field {
    Number(u64),
    Bytes(Bytes),
}

fn take_varint(data: &mut Bytes) -> Option<u64> {
    let mut n = 0u64;
    for (position, byte) in data.iter().enumerate().take(10) {
        n |= u64::from(byte & 0x7f).checked_shl(7 * position as u32)?;
        if byte & 0x80 == 0 {
            let _ = data.split_to(position + 1);
            return Some(n);
        }
    }
    None
}

fn take_field(data: &mut Bytes) -> Option<(u64, Field)> {
    let tag = take_varint(data)?;
    let field = match tag & 7 {
        0 => Field::Number(take_varint(data)?),
        2 => {
            let len = usize::try_from(take_varint(data)?).ok().filter(|len| *len <= data.len())?;
            Field::Bytes(data.split_to(len))
        }
        _ => return None,
    };
    Some((tag >> 3, field))
}

impl ConfChangeSingle {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, 1, self.change_type as u64);
        put_number(out, 2, self.node_id.0);
    }

    fn decode(mut data: Bytes) -> Option<ConfChangeSingle> {
        let mut step = ConfChangeSingle::default();
        while !data.is_empty() {
            match take_field(&mut data)? {
                (1, Field::Number(n)) => step.change_type = ConfChangeType::from_number(n)?,
                (2, Field::Number(n)) => step.node_id = PeerId(n),
                _ => {}
            }
        }
        Some(step)
    }
}

impl ConfChange {
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        put_number(&mut out, 1, self.id);
        put_number(&mut out, 2, self.change_type as u64);
        put_number(&mut out, 3, self.node_id.0);
        if !self.context.is_empty() {
            put_bytes(&mut out, 4, &self.context);
        }
        out.into()
    }

    pub fn decode(data: &Bytes) -> Option<ConfChange> {
        let mut data = data.clone();
        let mut change = ConfChange::default();
        while !data.is_empty() {
            match take_field(&mut data)? {
                (1, Field::Number(n)) => change.id = n,
                (2, Field::Number(n)) => change.change_type = ConfChangeType::from_number(n)?,
                (3, Field::Number(n)) => change.node_id = PeerId(n),
                (4, Field::Bytes(bytes)) => change.context = bytes,
                _ => {}
            }
        }
        Some(change)
    }
}

impl ConfChangeV2 {
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        put_number(&mut out, 1, self.transition as u64);
        for step in &self.changes {
            let mut inner = Vec::new();
            step.encode(&mut inner);
            put_bytes(&mut out, 2, &inner);
        }
        if !self.context.is_empty() {
            put_bytes(&mut out, 3, &self.context);
        }
        out.into()
    }

    pub fn decode(data: &Bytes) -> Option<ConfChangeV2> {
        use ConfChangeTransition::*;
        let mut data = data.clone();
        let mut change = ConfChangeV2::default();
        while !data.is_empty() {
            match take_field(&mut data)? {
                (1, Field::Number(n)) => {
                    change.transition = *[Auto, JointImplicit, JointExplicit].get(usize::try_from(n).ok()?)?;
                }
                (2, Field::Bytes(bytes)) => change.changes.push(ConfChangeSingle::decode(bytes)?),
                (3, Field::Bytes(bytes)) => change.context = bytes,
                _ => {}
            }
        }
        Some(change)
    }
}

// The change itself.

/// Why a change cannot be made. The texts are upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConfChangeError {
    AlreadyJoint,
    ZeroVoterJoint,
    NotJoint,
    SimpleWhileJoint,
    MoreThanOneVoter,
    RemovedAllVoters,
}

impl fmt::Display for ConfChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConfChangeError::AlreadyJoint => "config is already joint",
            ConfChangeError::ZeroVoterJoint => "can't make a zero-voter config joint",
            ConfChangeError::NotJoint => "can't leave a non-joint config",
            ConfChangeError::SimpleWhileJoint => "can't apply simple config change in joint config",
            ConfChangeError::MoreThanOneVoter => "more than one voter changed without entering joint config",
            ConfChangeError::RemovedAllVoters => "removed all voters",
        })
    }
}

impl std::error::Error for ConfChangeError {}

type Changed = Result<(TrackerConfig, ProgressMap), ConfChangeError>;

/// Works out the configuration that follows from `tracker` and a change.
#[derive(Clone, Copy, Debug)]
pub struct Changer<'a> {
    pub tracker: &'a ProgressTracker,
    pub last_index: Index,
}

impl Changer<'_> {
    pub fn change(&self, change: &ConfChangeV2) -> Changed {
        if change.is_leave_joint() {
            self.leave_joint()
        } else if let Some(auto_leave) = change.enters_joint() {
            self.enter_joint(auto_leave, &change.changes)
        } else {
            self.simple(&change.changes)
        }
    }

    /// The old voters become the outgoing half, and the steps apply to the incoming half.
    pub fn enter_joint(&self, auto_leave: bool, steps: &[ConfChangeSingle]) -> Changed {
        let mut draft = self.draft();
        if draft.config.voters.is_joint() {
            return Err(ConfChangeError::AlreadyJoint);
        }
        if draft.config.voters.incoming.is_empty() {
            return Err(ConfChangeError::ZeroVoterJoint);
        }
        draft.config.voters.outgoing = draft.config.voters.incoming.clone();
        draft.apply(steps)?;
        draft.config.auto_leave = auto_leave;
        draft.finish()
    }

    /// The incoming half alone decides from here on.
    pub fn leave_joint(&self) -> Changed {
        let mut draft = self.draft();
        if !draft.config.voters.is_joint() {
            return Err(ConfChangeError::NotJoint);
        }
        for id in std::mem::take(&mut draft.config.learners_next) {
            draft.config.learners.insert(id);
            draft.expect_progress(id).is_learner = true;
        }
        for id in std::mem::take(&mut draft.config.voters.outgoing).0 {
            if !draft.config.voters.incoming.contains(id) && !draft.config.learners.contains(&id) {
                draft.progress.remove(id);
            }
        }
        draft.config.auto_leave = false;
        draft.finish()
    }

    /// Steps that together change at most one voter.
    pub fn simple(&self, steps: &[ConfChangeSingle]) -> Changed {
        let mut draft = self.draft();
        if draft.config.voters.is_joint() {
            return Err(ConfChangeError::SimpleWhileJoint);
        }
        draft.apply(steps)?;
        let before = &self.tracker.config.voters.incoming.0;
        if before.symmetric_difference(&draft.config.voters.incoming.0).count() > 1 {
            return Err(ConfChangeError::MoreThanOneVoter);
        }
        draft.finish()
    }

    fn draft(&self) -> Draft {
        // A peer just added counts as active, or a quorum check could fail before it had a chance to speak. The last
        // index is an optimistic first guess at its log; a rejection corrects it.
        let mut newcomer = self.tracker.new_progress(Index::ZERO, self.last_index.max(Index(1)));
        newcomer.recent_active = true;
        let draft = Draft { config: self.tracker.config.clone(), progress: self.tracker.progress.clone(), newcomer };
        draft.check_invariants();
        draft
    }
}

struct Draft {
    config: TrackerConfig,
    progress: ProgressMap,
    newcomer: Progress,
}

impl Draft {
    fn finish(self) -> Changed {
        self.check_invariants();
        Ok((self.config, self.progress))
    }

    fn apply(&mut self, steps: &[ConfChangeSingle]) -> Result<(), ConfChangeError> {
        for step in steps.iter().filter(|step| step.node_id.is_some()) {
            match step.change_type {
                ConfChangeType::AddNode => self.make_voter(step.node_id),
                ConfChangeType::AddLearnerNode => self.make_learner(step.node_id),
                ConfChangeType::RemoveNode => self.remove(step.node_id),
                ConfChangeType::UpdateNode => {}
            }
        }
        if self.config.voters.incoming.is_empty() { Err(ConfChangeError::RemovedAllVoters) } else { Ok(()) }
    }

    fn make_voter(&mut self, id: PeerId) {
        match self.progress.get_mut(id) {
            Some(peer) => peer.is_learner = false,
            None => self.progress.insert(id, self.newcomer.clone()),
        }
        self.config.learners.remove(&id);
        self.config.learners_next.remove(&id);
        self.config.voters.incoming.0.insert(id);
    }

    fn make_learner(&mut self, id: PeerId) {
        let mut peer = match self.progress.get(id) {
            None => self.newcomer.clone(),
            Some(peer) if peer.is_learner => return,
            Some(peer) => peer.clone(),
        };
        self.remove(id);
        // Nobody is a voter and a learner at once: while the outgoing half still counts the peer, it waits.
        if self.config.voters.outgoing.contains(id) {
            self.config.learners_next.insert(id);
        } else {
            peer.is_learner = true;
            self.config.learners.insert(id);
        }
        self.progress.insert(id, peer);
    }

    fn remove(&mut self, id: PeerId) {
        self.config.voters.incoming.0.remove(&id);
        self.config.learners.remove(&id);
        self.config.learners_next.remove(&id);
        if !self.config.voters.outgoing.contains(id) {
            self.progress.remove(id);
        }
    }

    fn expect_progress(&mut self, id: PeerId) -> &mut Progress {
        self.progress.get_mut(id).expect("every configured peer has a progress")
    }

    fn check_invariants(&self) {
        let config = &self.config;
        let voters = &config.voters;
        let is_learner = |id: &PeerId| self.progress.get(*id).map(|peer| peer.is_learner);
        for id in voters.ids() {
            assert!(self.progress.contains(id), "no progress for {}", id.0);
        }
        for id in &config.learners {
            assert!(!voters.contains(*id), "{} is a learner and a voter", id.0);
            assert_eq!(is_learner(id), Some(true), "{} is in learners", id.0);
        }
        for id in &config.learners_next {
            assert!(voters.outgoing.contains(*id), "{} is in learners_next, but not outgoing", id.0);
            assert_eq!(is_learner(id), Some(false), "{} is in learners_next", id.0);
        }
        if !voters.is_joint() {
            assert!(config.learners_next.is_empty(), "learners_next must be empty when not joint");
            assert!(!config.auto_leave, "auto_leave must be false when not joint");
        }
    }
}

/// The tracker that a [`ConfState`] describes: `tracker` must have an empty configuration.
pub(super) fn restore(
    mut tracker: ProgressTracker,
    last_index: Index,
    conf_state: &ConfState,
) -> Result<ProgressTracker, ConfChangeError> {
    let steps = |change_type, ids: &[PeerId]| -> Vec<ConfChangeSingle> {
        ids.iter().map(|&node_id| ConfChangeSingle { change_type, node_id }).collect()
    };
    let one_by_one = |tracker: &mut ProgressTracker, steps: &[ConfChangeSingle]| {
        for step in steps {
            let (config, progress) = Changer { tracker, last_index }.simple(std::slice::from_ref(step))?;
            (tracker.config, tracker.progress) = (config, progress);
        }
        Ok(())
    };
    let mut incoming = steps(ConfChangeType::RemoveNode, &conf_state.voters_outgoing);
    incoming.extend(steps(ConfChangeType::AddNode, &conf_state.voters));
    incoming.extend(steps(ConfChangeType::AddLearnerNode, &conf_state.learners));
    incoming.extend(steps(ConfChangeType::AddLearnerNode, &conf_state.learners_next));
    if conf_state.voters_outgoing.is_empty() {
        one_by_one(&mut tracker, &incoming)?;
    } else {
        // First build the outgoing configuration, then enter the joint one from it.
        one_by_one(&mut tracker, &steps(ConfChangeType::AddNode, &conf_state.voters_outgoing))?;
        let (config, progress) =
            Changer { tracker: &tracker, last_index }.enter_joint(conf_state.auto_leave, &incoming)?;
        (tracker.config, tracker.progress) = (config, progress);
    }
    Ok(tracker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_survive_their_wire_form() {
        let v1 = ConfChange {
            id: 0x8e9e_05c5_2164_694d,
            change_type: ConfChangeType::AddLearnerNode,
            node_id: PeerId(300),
            context: Bytes::from_static(b"{\"name\":\"m4\"}"),
        };
        assert_eq!(ConfChange::decode(&v1.encode()), Some(v1.clone()));
        let v2 = ConfChangeV2 {
            transition: ConfChangeTransition::JointExplicit,
            changes: vec![
                ConfChangeSingle { change_type: ConfChangeType::AddNode, node_id: PeerId(4) },
                ConfChangeSingle { change_type: ConfChangeType::RemoveNode, node_id: PeerId(1) },
            ],
            context: Bytes::from_static(b"why"),
        };
        assert_eq!(ConfChangeV2::decode(&v2.encode()), Some(v2.clone()));
        assert_eq!(ConfChangeV2::decode(&Bytes::new()), Some(ConfChangeV2::default()));
        let entry = AnyConfChange::from(v1.clone()).to_entry();
        assert_eq!(AnyConfChange::from_entry(&entry), Some(AnyConfChange::V1(v1)));
    }

    #[test]
    fn broken_wire_forms_are_refused() {
        for broken in [&b"\x08"[..], b"\x22\x05ab", b"\x10\x09", b"\x0d\x00\x00\x00\x00"] {
            assert_eq!(ConfChange::decode(&Bytes::from_static(broken)), None, "{broken:?}");
        }
    }

    #[test]
    fn a_conf_state_restores_to_itself() {
        let ids = |ids: &[u64]| ids.iter().copied().map(PeerId).collect::<Vec<_>>();
        let states = [
            ConfState { voters: ids(&[1, 2, 3]), ..ConfState::default() },
            ConfState { voters: ids(&[1, 2, 3]), learners: ids(&[4, 5]), ..ConfState::default() },
            ConfState {
                voters: ids(&[1, 2, 3]),
                learners: ids(&[5]),
                voters_outgoing: ids(&[1, 2, 4, 6]),
                learners_next: ids(&[4]),
                auto_leave: true,
            },
        ];
        for state in states {
            let tracker = restore(ProgressTracker::new(1, 0), Index(10), &state).unwrap();
            assert_eq!(tracker.config.conf_state(), state);
        }
    }

    /// Any changes made one by one come to the same as the same changes made at once, through a joint configuration.
    #[test]
    fn one_by_one_and_jointly_come_to_the_same() {
        let mut state = 1u64;
        let mut number = |below: u64| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 33) % below
        };
        let types = [ConfChangeType::AddNode, ConfChangeType::RemoveNode, ConfChangeType::AddLearnerNode];
        let keep = ConfChangeSingle { change_type: ConfChangeType::AddNode, node_id: PeerId(1) };
        for _ in 0..500 {
            let start =
                ConfState { voters: vec![PeerId(1), PeerId(2)], learners: vec![PeerId(3)], ..Default::default() };
            let start = restore(ProgressTracker::new(1, 0), Index(10), &start).unwrap();
            let mut steps: Vec<ConfChangeSingle> = (0..1 + number(6))
                .map(|_| ConfChangeSingle { change_type: types[number(3) as usize], node_id: PeerId(2 + number(5)) })
                .collect();
            // So that there is always a voter.
            steps.push(keep);
            let mut singly = start.clone();
            for step in &steps {
                let step = std::slice::from_ref(step);
                let changed = Changer { tracker: &singly, last_index: Index(10) }.simple(step).unwrap();
                (singly.config, singly.progress) = changed;
            }
            let mut jointly = start.clone();
            for change in [
                ConfChangeV2 {
                    transition: ConfChangeTransition::JointExplicit,
                    changes: steps.clone(),
                    ..Default::default()
                },
                ConfChangeV2::default(),
            ] {
                let changed = Changer { tracker: &jointly, last_index: Index(10) }.change(&change).unwrap();
                (jointly.config, jointly.progress) = changed;
            }
            assert_eq!(singly, jointly, "{steps:?}");
        }
    }
}
