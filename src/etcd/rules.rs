//! The rules that keep a cluster's promises. Each is consulted in one place; a world may break one to see what it was for.

use crate::raft::SafetyRules;

/// One rule. Each guards against a kind of bug that etcd or another Raft system really had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Rule {
    /// Nothing is acknowledged before it is durable.
    FsyncBeforeAck,
    /// A member votes for one candidate in a term.
    OneVotePerTerm,
    /// A leader counts copies only of entries of its own term.
    CommitOwnTermOnly,
    /// A leader makes sure that it still leads before it answers a read.
    ConfirmReads,
    /// A membership change is proposed only when the one before it is applied.
    OneChangeAtATime,
    /// An entry is applied once, however often the member starts.
    ApplyOnce,
    /// A record of the log that is not whole is cut off at the next start.
    CutTornTail,
    /// A watch that catches up is sent every revision from its start on.
    CatchUpFromStart,
    /// A watch whose start was compacted is told so.
    TellCompacted,
    /// A lease whose time is up cannot be renewed.
    ExpiredStayExpired,
}

impl Rule {
    pub const ALL: [Rule; 10] = [
        Rule::FsyncBeforeAck,
        Rule::OneVotePerTerm,
        Rule::CommitOwnTermOnly,
        Rule::ConfirmReads,
        Rule::OneChangeAtATime,
        Rule::ApplyOnce,
        Rule::CutTornTail,
        Rule::CatchUpFromStart,
        Rule::TellCompacted,
        Rule::ExpiredStayExpired,
    ];

    /// Its name in a scenario: `fsync-before-ack=off` breaks it.
    pub fn name(self) -> &'static str {
        match self {
            Rule::FsyncBeforeAck => "fsync-before-ack",
            Rule::OneVotePerTerm => "one-vote-per-term",
            Rule::CommitOwnTermOnly => "commit-own-term-only",
            Rule::ConfirmReads => "confirm-reads",
            Rule::OneChangeAtATime => "one-change-at-a-time",
            Rule::ApplyOnce => "apply-once",
            Rule::CutTornTail => "cut-torn-tail",
            Rule::CatchUpFromStart => "catch-up-from-start",
            Rule::TellCompacted => "tell-compacted",
            Rule::ExpiredStayExpired => "expired-stay-expired",
        }
    }

    pub fn named(name: &str) -> Option<Rule> {
        Rule::ALL.into_iter().find(|rule| rule.name() == name)
    }
}

/// Which rules hold: all, unless some were broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rules {
    broken: u16,
}

impl Rules {
    pub fn hold(self, rule: Rule) -> bool {
        self.broken & Rules::bit(rule) == 0
    }

    pub fn without(self, rule: Rule) -> Rules {
        Rules { broken: self.broken | Rules::bit(rule) }
    }

    pub fn with(self, rule: Rule) -> Rules {
        Rules { broken: self.broken & !Rules::bit(rule) }
    }

    pub fn broken(self) -> impl Iterator<Item = Rule> {
        Rule::ALL.into_iter().filter(move |rule| !self.hold(*rule))
    }

    /// Those that the consensus keeps.
    pub fn of_raft(self) -> SafetyRules {
        SafetyRules {
            one_vote_per_term: self.hold(Rule::OneVotePerTerm),
            commit_own_term_only: self.hold(Rule::CommitOwnTermOnly),
            confirm_reads: self.hold(Rule::ConfirmReads),
            one_change_at_a_time: self.hold(Rule::OneChangeAtATime),
        }
    }

    fn bit(rule: Rule) -> u16 {
        1 << rule as u8
    }
}
