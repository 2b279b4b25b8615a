//! The text forms upstream prints messages, entries and work in: for transcripts and inspectors.
//!
//! Upstream: `util.go`, `types.go`.

use std::fmt;

use super::confchange_message::{AnyConfChange, ConfChangeSingle, ConfChangeType, ConfChangeV2};
use super::message::{ConfState, Entry, EntryType, HardState, Message, PeerId, Snapshot, SoftState};
use super::raw_node::Ready;

/// Who a message is for: members by id, and the two local threads by name.
struct Target(PeerId);

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            PeerId::NONE => f.write_str("None"),
            PeerId::APPEND_THREAD => f.write_str("AppendThread"),
            PeerId::APPLY_THREAD => f.write_str("ApplyThread"),
            id => id.fmt(f),
        }
    }
}

impl fmt::Display for Message {
    /// `1->2 MsgApp Term:1 Log:1/3 Commit:4 Entries:[1/4 EntryNormal "foo"]`. May take several lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_indented(f, "")
    }
}

impl Message {
    /// The message with every line after the first indented by `indent`, too.
    fn fmt_indented(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        write!(f, "{indent}{}->{} {}", Target(self.from), Target(self.to), self.msg_type)?;
        write!(f, " Term:{} Log:{}/{}", self.term, self.log_term, self.index)?;
        if self.reject {
            write!(f, " Rejected (Hint: {})", self.reject_hint)?;
        }
        if self.commit.0 != 0 {
            write!(f, " Commit:{}", self.commit)?;
        }
        if self.vote.is_some() {
            write!(f, " Vote:{}", self.vote.0)?;
        }
        match &self.entries[..] {
            [] => {}
            [entry] => write!(f, " Entries:[{entry}]")?,
            entries => {
                f.write_str(" Entries:[")?;
                for entry in entries {
                    write!(f, "\n{indent}  {entry}")?;
                }
                write!(f, "\n{indent}]")?;
            }
        }
        if let Some(snapshot) = self.snapshot.as_ref().filter(|snapshot| !snapshot.is_empty()) {
            write!(f, "\n{indent}  Snapshot: {snapshot}")?;
        }
        if !self.responses.is_empty() {
            f.write_str(" Responses:[")?;
            for response in &self.responses {
                f.write_str("\n")?;
                response.fmt_indented(f, &format!("{indent}  "))?;
            }
            write!(f, "\n{indent}]")?;
        }
        Ok(())
    }
}

impl fmt::Display for Entry {
    /// `1/11 EntryNormal "foo"` or `1/12 EntryConfChangeV2 v1 l2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.term, self.index, self.entry_type)?;
        if self.entry_type == EntryType::EntryNormal {
            return write!(f, " \"{}\"", self.data.escape_ascii());
        }
        match AnyConfChange::from_entry(self) {
            Some(change) => ConfChangeV2::from(change).changes.iter().try_for_each(|step| write!(f, " {step}")),
            None => write!(f, " (unreadable)"),
        }
    }
}

impl fmt::Display for ConfChangeSingle {
    /// `v1` adds a voter, `l1` a learner, `r1` removes, `u1` updates.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.change_type {
            ConfChangeType::AddNode => 'v',
            ConfChangeType::AddLearnerNode => 'l',
            ConfChangeType::RemoveNode => 'r',
            ConfChangeType::UpdateNode => 'u',
        };
        write!(f, "{letter}{}", self.node_id.0)
    }
}

impl fmt::Display for HardState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Term:{}", self.term)?;
        if self.vote.is_some() {
            write!(f, " Vote:{}", self.vote.0)?;
        }
        write!(f, " Commit:{}", self.commit)
    }
}

impl fmt::Display for SoftState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lead:{} State:{}", self.lead.0, self.state)
    }
}

/// `[1 2 3]`.
struct Ids<'a>(&'a [PeerId]);

impl fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (position, id) in self.0.iter().enumerate() {
            write!(f, "{}{}", if position == 0 { "" } else { " " }, id.0)?;
        }
        f.write_str("]")
    }
}

impl fmt::Display for ConfState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Voters:{} VotersOutgoing:{} Learners:{} LearnersNext:{} AutoLeave:{}",
            Ids(&self.voters),
            Ids(&self.voters_outgoing),
            Ids(&self.learners),
            Ids(&self.learners_next),
            self.auto_leave
        )
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metadata = &self.metadata;
        write!(f, "Index:{} Term:{} ConfState:{}", metadata.index, metadata.term, metadata.conf_state)
    }
}

impl Ready {
    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.soft_state.is_none()
            && self.hard_state.is_none()
            && self.read_states.is_empty()
            && self.entries.is_empty()
            && self.snapshot.is_none()
            && self.committed_entries.is_empty()
            && self.messages.is_empty()
    }
}

impl fmt::Display for Ready {
    /// A line per fact, without a line end after the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("<empty Ready>");
        }
        write!(f, "Ready MustSync={}:", self.must_sync)?;
        if let Some(soft_state) = &self.soft_state {
            write!(f, "\n{soft_state}")?;
        }
        if let Some(hard_state) = &self.hard_state {
            write!(f, "\nHardState {hard_state}")?;
        }
        if !self.read_states.is_empty() {
            f.write_str("\nReadStates [")?;
            for (position, read) in self.read_states.iter().enumerate() {
                let space = if position == 0 { "" } else { " " };
                // Go prints the context as a list of byte values.
                let context: Vec<String> = read.request_ctx.iter().map(u8::to_string).collect();
                write!(f, "{space}{{{} [{}]}}", read.index, context.join(" "))?;
            }
            f.write_str("]")?;
        }
        if !self.entries.is_empty() {
            f.write_str("\nEntries:")?;
            self.entries.iter().try_for_each(|entry| write!(f, "\n{entry}"))?;
        }
        if let Some(snapshot) = &self.snapshot {
            write!(f, "\nSnapshot {snapshot}")?;
        }
        if !self.committed_entries.is_empty() {
            f.write_str("\nCommittedEntries:")?;
            self.committed_entries.iter().try_for_each(|entry| write!(f, "\n{entry}"))?;
        }
        if !self.messages.is_empty() {
            f.write_str("\nMessages:")?;
            self.messages.iter().try_for_each(|m| write!(f, "\n{m}"))?;
        }
        Ok(())
    }
}
