//! Membership changes as they are proposed: their values, their wire form, their text.
//!
//! The wire form is protobuf's, since a change travels as the data of an entry and etcd reads it there. Fields are
//! written even when zero, as etcd's messages are.
//!
//! Upstream: `raftpb/confchange.go`, `raftpb/raft.proto`.

use std::fmt;

use bytes::Bytes;

use super::message::{Entry, EntryType, PeerId};

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
}
