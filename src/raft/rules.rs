//! The protocol's rules that may be broken on purpose.

/// What keeps the protocol safe, each rule consulted in one place. All hold, unless a lab breaks one to show what it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SafetyRules {
    /// A member votes for one candidate in a term.
    pub one_vote_per_term: bool,
    /// A leader counts copies only of entries of its own term; older ones are committed by what follows them.
    pub commit_own_term_only: bool,
    /// A leader makes sure that it still leads before it answers a read.
    pub confirm_reads: bool,
    /// A membership change is proposed only when the one before it is applied: else their majorities need not overlap.
    pub one_change_at_a_time: bool,
}

impl Default for SafetyRules {
    fn default() -> SafetyRules {
        SafetyRules {
            one_vote_per_term: true,
            commit_own_term_only: true,
            confirm_reads: true,
            one_change_at_a_time: true,
        }
    }
}
