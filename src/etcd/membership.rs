//! Who is in the cluster, as the log tells: members with their addresses, learners, and those removed for good.
//!
//! A change travels as a `ConfChange` whose context names the member in JSON. Every member checks it again when it comes
//! back committed ([`Membership::validate`]); what does not fit by then changes nothing, on all of them alike.
//!
//! Upstream: `server/etcdserver/api/membership/cluster.go` of 3.5.

use super::api;
use super::backend::go_json;
use super::cluster::member_id;
use super::error::EtcdError;
use crate::raft::{ConfChange, ConfChangeType, PeerId};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// etcd 3.5 allows one learner at a time.
const LEARNERS_MAX: usize = 1;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Membership {
    members: BTreeMap<PeerId, api::Member>,
    /// Ids that can never come back.
    removed: BTreeSet<PeerId>,
    pub version: Option<String>,
}

/// What a `ConfChange` says about a member beside its id: upstream's `ConfigChangeContext`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigChangeContext {
    pub member: api::Member,
    /// The member is there and no learner any more.
    pub is_promote: bool,
}

impl ConfigChangeContext {
    /// JSON as upstream marshals it.
    pub fn encode(&self) -> Bytes {
        let mut object = member_json(&self.member);
        if self.is_promote {
            object.insert("isPromote".to_owned(), json!(true));
        }
        go_json(&Value::Object(object))
    }

    pub fn decode(context: &[u8]) -> Option<ConfigChangeContext> {
        let Value::Object(object) = serde_json::from_slice(context).ok()? else { return None };
        let is_promote = object.get("isPromote").is_some_and(|promote| *promote == Value::Bool(true));
        let id = object.get("id")?.as_u64()?;
        Some(ConfigChangeContext { member: member_of_json(id, &object)?, is_promote })
    }
}

/// A member as upstream writes it into its database and into a change of configuration.
pub fn member_json(member: &api::Member) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("id".to_owned(), json!(member.id));
    object.insert("peerURLs".to_owned(), json!(member.peer_urls));
    if member.is_learner {
        object.insert("isLearner".to_owned(), json!(true));
    }
    if !member.name.is_empty() {
        object.insert("name".to_owned(), json!(member.name));
    }
    if !member.client_urls.is_empty() {
        object.insert("clientURLs".to_owned(), json!(member.client_urls));
    }
    object
}

/// The member that such an object describes; a list that is not there is empty.
pub fn member_of_json(id: u64, object: &Map<String, Value>) -> Option<api::Member> {
    let texts = |field: &str| match object.get(field) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(list) => list.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
    };
    Some(api::Member {
        id,
        name: object.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        peer_urls: texts("peerURLs")?,
        client_urls: texts("clientURLs")?,
        is_learner: object.get("isLearner").is_some_and(|learner| *learner == Value::Bool(true)),
    })
}

/// A member to be added: its id follows from its URLs and the second in which it was asked for.
pub fn new_member(peer_urls: Vec<String>, unix_seconds: u64, is_learner: bool) -> api::Member {
    let urls: Vec<&str> = peer_urls.iter().map(String::as_str).collect();
    let id = member_id(&urls, &unix_seconds.to_string());
    api::Member { id, peer_urls, is_learner, ..api::Member::default() }
}

impl Membership {
    /// What a database or another member says of the cluster.
    pub fn restore(
        members: impl IntoIterator<Item = api::Member>,
        removed: impl IntoIterator<Item = PeerId>,
        version: Option<String>,
    ) -> Membership {
        let members = members.into_iter().map(|member| (PeerId(member.id), member)).collect();
        Membership { members, removed: removed.into_iter().collect(), version }
    }

    /// A member told its name and where clients reach it: it counts as started.
    pub fn publish(&mut self, id: PeerId, name: String, client_urls: Vec<String>) {
        if let Some(member) = self.members.get_mut(&id) {
            member.name = name;
            member.client_urls = client_urls;
        }
    }

    /// Members by id, as `MemberList` answers.
    pub fn list(&self) -> Vec<api::Member> {
        self.members.values().cloned().collect()
    }

    pub fn member(&self, id: PeerId) -> Option<&api::Member> {
        self.members.get(&id)
    }

    pub fn is_removed(&self, id: PeerId) -> bool {
        self.removed.contains(&id)
    }

    pub fn removed(&self) -> impl Iterator<Item = PeerId> {
        self.removed.iter().copied()
    }

    pub fn ids(&self) -> impl Iterator<Item = PeerId> {
        self.members.keys().copied()
    }

    pub fn voters(&self) -> impl Iterator<Item = &api::Member> {
        self.members.values().filter(|member| !member.is_learner)
    }

    pub fn is_learner(&self, id: PeerId) -> bool {
        self.member(id).is_some_and(|member| member.is_learner)
    }

    pub fn all_published(&self) -> bool {
        self.members.values().all(|member| !member.client_urls.is_empty())
    }

    /// Whether a change may be carried out, on what is known now.
    pub fn validate(&self, change: &ConfChange) -> Result<(), EtcdError> {
        let id = change.node_id;
        if self.is_removed(id) {
            return Err(EtcdError::MemberNotFound);
        }
        let context = ConfigChangeContext::decode(&change.context).unwrap_or_default();
        match change.change_type {
            ConfChangeType::AddNode | ConfChangeType::AddLearnerNode if context.is_promote => {
                let member = self.member(id).ok_or(EtcdError::MemberNotFound)?;
                if member.is_learner { Ok(()) } else { Err(EtcdError::MemberNotLearner) }
            }
            ConfChangeType::AddNode | ConfChangeType::AddLearnerNode => {
                if self.member(id).is_some() {
                    return Err(EtcdError::MemberExist);
                }
                self.check_urls(id, &context.member)?;
                let learners = self.members.values().filter(|member| member.is_learner).count();
                if context.member.is_learner && learners >= LEARNERS_MAX {
                    return Err(EtcdError::TooManyLearners);
                }
                Ok(())
            }
            ConfChangeType::RemoveNode => self.member(id).map(drop).ok_or(EtcdError::MemberNotFound),
            ConfChangeType::UpdateNode => {
                self.member(id).ok_or(EtcdError::MemberNotFound)?;
                self.check_urls(id, &context.member)
            }
        }
    }

    /// Carries out a change that [`Membership::validate`] let pass.
    pub fn apply(&mut self, change: &ConfChange) {
        let context = ConfigChangeContext::decode(&change.context).unwrap_or_default();
        let id = change.node_id;
        match change.change_type {
            ConfChangeType::AddNode | ConfChangeType::AddLearnerNode if context.is_promote => {
                if let Some(member) = self.members.get_mut(&id) {
                    member.is_learner = false;
                }
            }
            ConfChangeType::AddNode | ConfChangeType::AddLearnerNode => {
                self.members.insert(id, api::Member { id: id.0, ..context.member });
            }
            ConfChangeType::RemoveNode => {
                self.members.remove(&id);
                self.removed.insert(id);
            }
            ConfChangeType::UpdateNode => {
                if let Some(member) = self.members.get_mut(&id) {
                    member.peer_urls = context.member.peer_urls;
                }
            }
        }
    }

    /// No address may be that of another member.
    fn check_urls(&self, id: PeerId, member: &api::Member) -> Result<(), EtcdError> {
        let others = self.members.iter().filter(|(other, _)| **other != id);
        let mut taken = others.flat_map(|(_, other)| &other.peer_urls);
        if taken.any(|url| member.peer_urls.contains(url)) { Err(EtcdError::PeerUrlExist) } else { Ok(()) }
    }

    /// Whether a quorum of the cluster with one voter more is started already.
    pub fn is_ready_to_add_voter(&self) -> bool {
        let (started, voters) = self.started_voters(None);
        // One member of one may always get a second: that is how a restored cluster grows again.
        (started == 1 && voters == 1) || started > voters.div_ceil(2)
    }

    /// Whether a quorum of the cluster without this voter is started.
    pub fn is_ready_to_remove_voter(&self, id: PeerId) -> bool {
        let (started, voters) = self.started_voters(Some(id));
        started > voters / 2
    }

    /// Whether a quorum of the cluster with this learner as a voter is started.
    pub fn is_ready_to_promote(&self) -> bool {
        let (started, voters) = self.started_voters(None);
        started + 1 > voters.div_ceil(2)
    }

    /// Voters that told their name, and all voters.
    fn started_voters(&self, without: Option<PeerId>) -> (usize, usize) {
        let counted = self.voters().filter(|member| without != Some(PeerId(member.id)));
        counted.fold((0, 0), |(started, all), member| (started + usize::from(!member.name.is_empty()), all + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64, is_learner: bool) -> api::Member {
        api::Member { id, peer_urls: vec![format!("http://m{id}:2380")], is_learner, ..api::Member::default() }
    }

    fn change(change_type: ConfChangeType, member: &api::Member, is_promote: bool) -> ConfChange {
        let context = ConfigChangeContext { member: member.clone(), is_promote }.encode();
        ConfChange { id: 1, change_type, node_id: PeerId(member.id), context }
    }

    fn of(ids: &[u64]) -> Membership {
        let mut membership = Membership::default();
        for id in ids {
            membership.apply(&change(ConfChangeType::AddNode, &member(*id, false), false));
            membership.publish(PeerId(*id), format!("m{id}"), vec![format!("http://m{id}:2379")]);
        }
        membership
    }

    #[test]
    fn a_context_survives_its_json() {
        let started = api::Member { name: "m7".into(), client_urls: vec!["http://m7:2379".into()], ..member(7, true) };
        let context = ConfigChangeContext { member: started, is_promote: true };
        let text = br#"{"id":7,"peerURLs":["http://m7:2380"],"isLearner":true,"name":"m7","clientURLs":["http://m7:2379"],"isPromote":true}"#;
        assert_eq!(&context.encode()[..], text);
        assert_eq!(ConfigChangeContext::decode(text), Some(context));
        assert_eq!(ConfigChangeContext::decode(b"not json"), None);
    }

    #[test]
    fn changes_that_do_not_fit_are_refused() {
        use ConfChangeType::{AddLearnerNode, AddNode, RemoveNode, UpdateNode};
        let mut membership = of(&[1, 2, 3]);
        let refused = |membership: &Membership, kind, member: &api::Member, promote| {
            membership.validate(&change(kind, member, promote)).err()
        };
        assert_eq!(refused(&membership, AddNode, &member(1, false), false), Some(EtcdError::MemberExist));
        let same_url = api::Member { id: 9, ..member(2, false) };
        assert_eq!(refused(&membership, AddNode, &same_url, false), Some(EtcdError::PeerUrlExist));
        assert_eq!(
            refused(&membership, UpdateNode, &api::Member { id: 1, ..same_url }, false),
            Some(EtcdError::PeerUrlExist)
        );
        assert_eq!(refused(&membership, UpdateNode, &member(2, false), false), None);
        assert_eq!(refused(&membership, RemoveNode, &member(4, false), false), Some(EtcdError::MemberNotFound));
        assert_eq!(refused(&membership, AddNode, &member(2, false), true), Some(EtcdError::MemberNotLearner));
        membership.apply(&change(AddLearnerNode, &member(4, true), false));
        assert!(membership.is_learner(PeerId(4)));
        assert_eq!(refused(&membership, AddLearnerNode, &member(5, true), false), Some(EtcdError::TooManyLearners));
        assert_eq!(refused(&membership, AddNode, &member(4, true), true), None);
        membership.apply(&change(AddNode, &member(4, true), true));
        assert!(!membership.is_learner(PeerId(4)));
        membership.apply(&change(RemoveNode, &member(4, false), false));
        assert_eq!(refused(&membership, AddNode, &member(4, false), false), Some(EtcdError::MemberNotFound));
    }

    #[test]
    fn quorums_of_started_members_are_kept() {
        let mut membership = of(&[1]);
        assert!(membership.is_ready_to_add_voter());
        membership.apply(&change(ConfChangeType::AddNode, &member(2, false), false));
        assert!(!membership.is_ready_to_add_voter(), "the second has not started yet");
        assert!(membership.is_ready_to_remove_voter(PeerId(2)));
        assert!(!membership.is_ready_to_remove_voter(PeerId(1)));
        assert!(of(&[1, 2, 3]).is_ready_to_add_voter());
        assert!(!of(&[1]).is_ready_to_remove_voter(PeerId(1)), "the last one stays");
        assert!(of(&[1, 2, 3]).is_ready_to_promote());
    }
}
