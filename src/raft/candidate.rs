//! What a candidate or pre-candidate does with each message.

use super::event::{DroppedRequest, EventKind};
use super::message::{Message, MessageType, PeerId, StateType};
use super::quorum::VoteResult;
use super::raft::{CampaignType, Raft, RaftError};
use super::storage::Storage;

impl<S: Storage> Raft<S> {
    pub(super) fn step_candidate(&mut self, m: Message) -> Result<(), RaftError> {
        match m.msg_type {
            MessageType::MsgProp => {
                self.emit(EventKind::NoLeader { dropped: DroppedRequest::Proposal, term: self.term });
                return Err(RaftError::ProposalDropped);
            }
            MessageType::MsgApp | MessageType::MsgHeartbeat | MessageType::MsgSnap => {
                // Someone else won this term.
                self.become_follower(m.term, m.from);
                return self.handle_leader_message(m);
            }
            MessageType::MsgPreVoteResp if self.state == StateType::PreCandidate => self.handle_vote_response(&m),
            MessageType::MsgVoteResp if self.state == StateType::Candidate => self.handle_vote_response(&m),
            MessageType::MsgTimeoutNow => {
                self.emit(EventKind::TimeoutNowIgnored { from: m.from, term: self.term, state: self.state });
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_vote_response(&mut self, m: &Message) {
        match (self.poll(m), self.state) {
            (VoteResult::VoteWon, StateType::PreCandidate) => self.campaign(CampaignType::Election),
            (VoteResult::VoteWon, _) => {
                self.become_leader();
                self.broadcast_append();
            }
            // The response may be of a future term; ours stays.
            (VoteResult::VoteLost, _) => self.become_follower(self.term, PeerId::NONE),
            (VoteResult::VotePending, _) => {}
        }
    }
}
