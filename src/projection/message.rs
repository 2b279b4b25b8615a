//! A message looked at closely: where it is, what it says, what it does.

use super::{cluster, words};
use crate::etcd::api::{AlarmAction, Request};
use crate::etcd::http::HttpFrame;
use crate::etcd::wire::{Frame, LeaseAsk, LeaseTell};
use crate::etcd::{Fact, Wire};
use crate::k8s::apiserver;
use crate::lab::{self, Lab, TraceEvent};
use crate::raft::{self, EventKind, MessageType, StateType};
use crate::sim::trace::{Loss, What};
use crate::sim::{EventId, HostId, PacketId, SimTime};

#[derive(Clone, Debug, PartialEq)]
pub struct MessageView {
    pub packet: PacketId,
    pub name: String,
    pub from: HostId,
    pub to: HostId,
    pub sent: SimTime,
    pub arrives: SimTime,
    pub fate: Fate,
    /// What it holds, name and value.
    pub fields: Vec<(&'static str, String)>,
    /// The entries it carries, in words.
    pub entries: Vec<String>,
    /// What it does, or will do.
    pub effect: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    InFlight,
    Arrived,
    Lost(&'static str),
}

/// Events after a message's own that are searched for what became of it.
const FATE_SPAN: usize = 4_000;
/// Facts that one arrival leads to at most.
const FACTS_MAX: usize = 64;

impl MessageView {
    /// A packet is named by the event that sent it.
    pub fn of(lab: &Lab, packet: PacketId) -> Option<MessageView> {
        let event = lab.event(EventId(packet.0))?;
        let What::Sent { to, arrives, ref message, .. } = event.what else { return None };
        let arrival = fate_of(lab, event.id);
        let fate = match arrival.map(|event| &event.what) {
            Some(What::Lost { why, .. }) => Fate::Lost(loss(*why)),
            Some(_) => Fate::Arrived,
            None => Fate::InFlight,
        };
        let mut fields = fields(lab, message);
        fields.push(("size", words::bytes(u64::from(message.size()))));
        let entries = match message.as_ref() {
            Wire::Peer(message) => {
                let line = |entry: &raft::Entry| format!("{} · {}", entry.index, words::entry(lab, entry));
                message.entries.iter().map(line).collect()
            }
            _ => Vec::new(),
        };
        let effect = match (&fate, arrival) {
            (Fate::Arrived, Some(arrival)) => effect(lab, arrival),
            (Fate::InFlight, _) => promise(lab, to, message),
            _ => None,
        };
        Some(MessageView {
            packet,
            name: cluster::label(message),
            from: event.host,
            to,
            sent: event.at,
            arrives,
            fate,
            fields,
            entries,
            effect,
        })
    }
}

/// The arrival or the loss of the message that this event sent.
fn fate_of(lab: &Lab, sent: EventId) -> Option<&TraceEvent> {
    let settles =
        |event: &&TraceEvent| event.cause == sent && matches!(event.what, What::Delivered { .. } | What::Lost { .. });
    let in_flight = lab.sim().network().packet(PacketId(sent.0)).is_some();
    (!in_flight).then(|| lab.sim().trace().after(sent).take(FATE_SPAN).find(settles)).flatten()
}

pub fn loss(why: Loss) -> &'static str {
    match why {
        Loss::Link => "the link lost it",
        Loss::Cut => "the link was cut",
        Loss::PoweredOff => "nobody was there to take it: no power",
        Loss::Dropped => "you dropped it",
    }
}

/// A call in the words of its client.
pub fn call(request: &Request) -> String {
    match request {
        Request::Put(put) => format!("put {}, {}", words::key(&put.key), words::count(put.value.len(), "byte")),
        Request::Range(range) if range.range_end.is_empty() => format!("get {}", words::key(&range.key)),
        Request::Range(range) => format!("get from {}", words::key(&range.key)),
        Request::DeleteRange(delete) => format!("delete {}", words::key(&delete.key)),
        Request::Txn(txn) => format!("transaction with {}", words::count(txn.compare.len(), "comparison")),
        Request::Compact(compact) => format!("compact up to revision {}", compact.revision),
        Request::MemberList(_) => "who is in the cluster".to_owned(),
        Request::LeaseGrant(grant) => format!("grant a lease of {} s", grant.ttl),
        Request::LeaseRevoke(revoke) => format!("end lease {:x}", revoke.id),
        Request::LeaseKeepAlive(renew) => format!("renew lease {:x}", renew.id),
        Request::LeaseTimeToLive(look) => format!("how long does lease {:x} last", look.id),
        Request::LeaseLeases(_) => "which leases are there".to_owned(),
        Request::Status(_) => "how are you".to_owned(),
        Request::HashKv(_) => "hash of the store".to_owned(),
        Request::Hash(_) => "hash of the database".to_owned(),
        Request::Alarm(alarm) => match alarm.action() {
            AlarmAction::Get => "which alarms are raised".to_owned(),
            AlarmAction::Activate => format!("raise an alarm: {}", alarm.alarm().name()),
            AlarmAction::Deactivate => format!("lift an alarm: {}", alarm.alarm().name()),
        },
        Request::Defragment(_) => "free the database's unused pages".to_owned(),
        Request::Authenticate(login) => format!("log in as {}", login.name),
        Request::AuthEnable(_) => "switch authentication on".to_owned(),
        Request::AuthDisable(_) => "switch authentication off".to_owned(),
        Request::AuthStatus(_) => "is authentication on".to_owned(),
        Request::UserAdd(add) => format!("add user {}", add.name),
        Request::UserGet(get) => format!("show user {}", get.name),
        Request::UserList(_) => "which users are there".to_owned(),
        Request::UserDelete(delete) => format!("delete user {}", delete.name),
        Request::UserChangePassword(change) => format!("new password for user {}", change.name),
        Request::UserGrantRole(grant) => format!("grant role {} to user {}", grant.role, grant.user),
        Request::UserRevokeRole(revoke) => format!("take role {} from user {}", revoke.role, revoke.name),
        Request::RoleAdd(add) => format!("add role {}", add.name),
        Request::RoleGet(get) => format!("show role {}", get.role),
        Request::RoleList(_) => "which roles are there".to_owned(),
        Request::RoleDelete(delete) => format!("delete role {}", delete.role),
        Request::RoleGrantPermission(grant) => {
            let key = grant.perm.as_ref().map(|perm| words::key(&perm.key)).unwrap_or_default();
            format!("permit role {} something with {key}", grant.name)
        }
        Request::RoleRevokePermission(revoke) => {
            format!("no longer permit role {} anything with {}", revoke.role, words::key(&revoke.key))
        }
        _ => request.name().to_owned(),
    }
}

fn fields(lab: &Lab, wire: &Wire) -> Vec<(&'static str, String)> {
    match wire {
        Wire::Greet { reply } => vec![("says", if *reply { "I am here" } else { "so am I" }.to_owned())],
        Wire::LinkHeartbeat => vec![("says", "the stream lives".to_owned())],
        Wire::SnapshotTaken => vec![("says", "I have the whole snapshot".to_owned())],
        Wire::Gone => vec![("says", "you were removed from the cluster".to_owned())],
        Wire::MembersAsk => vec![("asks", "who is in the cluster".to_owned())],
        Wire::Members { members, .. } => vec![("members", members.len().to_string())],
        Wire::LeaseAsk { ask: LeaseAsk::Renew(id), .. } => vec![("asks", format!("renew lease {id:x}"))],
        Wire::LeaseAsk { ask: LeaseAsk::TimeToLive { id, .. }, .. } => {
            vec![("asks", format!("how long does lease {id:x} last"))]
        }
        Wire::LeaseTell { tell, .. } => vec![("says", lease_told(tell))],
        Wire::PromoteAsk { id, .. } => vec![("asks", format!("make learner {id:x} a voter"))],
        Wire::PromoteTell { tell: Ok(members), .. } => vec![("members", members.len().to_string())],
        Wire::PromoteTell { tell: Err(status), .. } => vec![("error", status.message.clone())],
        Wire::HashKvAsk { revision, .. } => vec![("asks", format!("hash of the store at revision {revision}"))],
        Wire::HashKvTell { tell: Ok(hashed), .. } => vec![("hash", hashed.hash.to_string())],
        Wire::HashKvTell { tell: Err(error), .. } => vec![("error", error.text().to_owned())],
        Wire::Client { conn, frame, .. } => {
            let mut fields = vec![("connection", format!("{} of client {}", conn.0 & 0xffff_ffff, conn.client().0))];
            match frame {
                Frame::Call { request, .. } => fields.push(("asks", call(request))),
                Frame::Answer { result: Ok(response), .. } => {
                    if let Some(header) = response.header() {
                        fields.push(("revision", header.revision.to_string()));
                        fields.push(("term", header.raft_term.to_string()));
                    }
                }
                Frame::Answer { result: Err(status), .. } | Frame::WatchEnd(status) => {
                    fields.push(("error", status.message.clone()));
                }
                Frame::WatchTell(response) => {
                    let revision = response.header.as_ref().map_or(0, |header| header.revision);
                    fields.push(("watch", response.watch_id.to_string()));
                    fields.push(("revision", revision.to_string()));
                    fields.push(("events", response.events.len().to_string()));
                }
                Frame::Http(HttpFrame::Request { request, .. }) => {
                    fields.push(("asks", format!("{} {}", request.method, request.target)));
                }
                Frame::Http(HttpFrame::Response { response, .. }) => {
                    fields.push(("says", response.name().to_owned()));
                    fields.push(("body", words::count(response.body.len(), "byte")));
                }
                Frame::Http(HttpFrame::Data { bytes, .. }) => {
                    fields.push(("body", words::count(bytes.len(), "byte")));
                }
                _ => {}
            }
            fields
        }
        Wire::Peer(message) => raft_fields(lab, message),
    }
}

fn lease_told(tell: &LeaseTell) -> String {
    match tell {
        LeaseTell::Renewed(ttl) => format!("it lasts {ttl} s from now"),
        LeaseTell::TimeToLive(left) => format!("{} of {} s are left", left.ttl, left.granted_ttl),
        LeaseTell::NotFound => "there is no such lease".to_owned(),
        LeaseTell::Again => "I do not count leases now".to_owned(),
    }
}

fn raft_fields(lab: &Lab, message: &raft::Message) -> Vec<(&'static str, String)> {
    use MessageType::{MsgApp, MsgAppResp, MsgHeartbeat, MsgPreVote, MsgPreVoteResp, MsgProp, MsgVote, MsgVoteResp};
    let mut fields = Vec::new();
    if message.term.0 > 0 {
        fields.push(("term", message.term.to_string()));
    }
    match message.msg_type {
        MsgApp => {
            fields.push(("after entry", format!("{} of term {}", message.index, message.log_term)));
            fields.push(("commit", message.commit.to_string()));
        }
        MsgAppResp if message.reject => {
            fields.push(("rejects", format!("what follows entry {}", message.index)));
            fields.push(("hint", format!("try from {} of term {}", message.reject_hint, message.log_term)));
        }
        MsgAppResp => fields.push(("has up to", message.index.to_string())),
        MsgVote | MsgPreVote => {
            fields.push(("candidate's log", format!("ends with {} of term {}", message.index, message.log_term)));
        }
        MsgVoteResp | MsgPreVoteResp => {
            fields.push(("answer", if message.reject { "rejected" } else { "granted" }.to_owned()));
        }
        MsgHeartbeat => fields.push(("commit", message.commit.to_string())),
        MsgProp => fields.push(("proposes", message.entries.iter().map(|entry| words::entry(lab, entry)).collect())),
        _ => {}
    }
    fields
}

/// What will follow when it arrives.
fn promise(lab: &Lab, to: HostId, wire: &Wire) -> Option<String> {
    let Wire::Peer(message) = wire else { return None };
    let receiver = lab.member(to)?.raft();
    let voters = receiver.tracker().config.voters.ids().count();
    match message.msg_type {
        MessageType::MsgAppResp if !message.reject && receiver.state() == StateType::Leader => {
            let has = |id| {
                let matched = receiver.tracker().progress.get(id).map(|peer| peer.matched).unwrap_or_default();
                id == message.from || matched >= message.index
            };
            let count = receiver.tracker().config.voters.ids().filter(|id| has(*id)).count();
            let index = message.index;
            let verb = if count == 1 { "has" } else { "have" };
            let tail = if receiver.committed() >= index {
                "it is committed already"
            } else if 2 * count > voters {
                "it commits"
            } else {
                "not yet a majority"
            };
            Some(format!("{count} of {voters} {verb} entry {index}: {tail}"))
        }
        MessageType::MsgApp => {
            let last = message.entries.last()?;
            let name = words::host(lab, to);
            Some(format!("{name} writes entry {} to its log, and answers once it is durable", last.index))
        }
        MessageType::MsgHeartbeat => Some(format!("{} starts its election timer anew", words::host(lab, to))),
        _ => None,
    }
}

/// What followed at once from an arrival, in words: the most telling facts.
fn effect(lab: &Lab, arrival: &TraceEvent) -> Option<String> {
    let told: Vec<String> = facts(lab, arrival.id).filter_map(|(host, fact)| telling(lab, host, fact)).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// Facts that follow at once from an occurrence.
pub fn facts(lab: &Lab, of: EventId) -> impl Iterator<Item = (HostId, &lab::Fact)> {
    let at = lab.event(of).map(|event| event.at);
    let here = lab.sim().trace().after(of).take_while(move |event| Some(event.at) == at).take(FACTS_MAX);
    here.filter_map(move |event| match &event.what {
        What::Fact(fact) if event.cause == of => Some((event.host, fact)),
        _ => None,
    })
}

/// A fact that is worth a sentence.
pub fn telling(lab: &Lab, host: HostId, fact: &lab::Fact) -> Option<String> {
    let name = words::host(lab, host);
    match fact {
        lab::Fact::Etcd(fact) => etcd_telling(lab, &name, fact),
        lab::Fact::ApiServer(fact) => api_server_telling(&name, fact),
    }
}

fn api_server_telling(name: &str, fact: &apiserver::Fact) -> Option<String> {
    use apiserver::Fact;
    match fact {
        Fact::Started => Some(format!("{name} started")),
        Fact::Passed { stage, said, refused, .. } => {
            let judged = if *refused { " refused" } else { "" };
            Some(format!("{name}, {}{judged}: {said}", stage.name()))
        }
        Fact::Answered { status, .. } => Some(format!("{name} answered {status}")),
        Fact::EtcdTold { failed: true, .. } => Some(format!("etcd did not do what {name} asked")),
        Fact::Asked { .. } | Fact::AskedEtcd { .. } | Fact::EtcdTold { .. } | Fact::Cached { .. } | Fact::Etcd(_) => {
            None
        }
    }
}

fn etcd_telling(lab: &Lab, name: &str, fact: &Fact) -> Option<String> {
    match fact {
        Fact::Raft(event) => raft_telling(lab, name, &event.kind),
        Fact::Refused { why } => Some(format!("{name} refuses to start: {why}")),
        Fact::Panicked { why } => Some(format!("{name} stopped: {why}")),
        Fact::Removed => Some(format!("{name} stopped: {}", crate::etcd::REMOVED)),
        Fact::Started { term, last, torn_bytes, .. } => {
            let torn =
                if *torn_bytes > 0 { format!(", {torn_bytes} bytes of torn tail cut off") } else { String::new() };
            Some(format!(
                "{name} started in term {term} with {} in its log{torn}",
                words::count(last.0 as usize, "entry").replace("entrys", "entries")
            ))
        }
        Fact::Applied { entry, revision: Some(revision) } => {
            Some(format!("{name} applied entry {}: revision {revision}", entry.index))
        }
        Fact::Answered { call, failed: Some(failed) } => Some(format!("{name} refused {call}: {failed}")),
        Fact::Watched { revisions, .. } => {
            Some(format!("your watch was told of revision {}", revisions.last().copied().unwrap_or_default()))
        }
        Fact::StreamBroken { endpoint } => Some(format!("the watch stream with {endpoint} broke")),
        _ => None,
    }
}

fn raft_telling(lab: &Lab, name: &str, kind: &EventKind) -> Option<String> {
    let peer = |id| words::peer(lab, id);
    match kind {
        EventKind::BecameLeader { term } => Some(format!("{name} became leader of term {term}")),
        EventKind::BecameCandidate { term } => Some(format!("{name} became candidate in term {term}")),
        EventKind::BecamePreCandidate { term } => Some(format!("{name} asks whether it could win term {}", term.0 + 1)),
        EventKind::SteppedDownWithoutQuorum => Some(format!("{name} stepped down: it hears from no majority")),
        EventKind::CommitAdvanced { commit } => Some(format!("{name} committed up to entry {commit}")),
        EventKind::VoteCast(vote) => {
            let what = if vote.request == MessageType::MsgVote { "voted for" } else { "would vote for" };
            Some(format!("{name} {what} {}", peer(vote.candidate)))
        }
        EventKind::VoteRejected(vote) => Some(format!("{name} refused {} its vote", peer(vote.candidate))),
        EventKind::VoteIgnoredInLease { facts, .. } => {
            Some(format!("{name} ignored {}: it heard from a leader just now", peer(facts.candidate)))
        }
        EventKind::VotesTallied { granted, rejected, .. } => {
            Some(format!("votes: {granted} granted, {rejected} rejected"))
        }
        EventKind::HigherTermReceived { higher, from, .. } => {
            Some(format!("{name} learned of term {higher} from {}", peer(*from)))
        }
        EventKind::LowerTermIgnored { lower, term, .. } => {
            Some(format!("{name} ignored it: term {lower} is older than its own, {term}"))
        }
        EventKind::AppendRejected { leader_prev, .. } => {
            Some(format!("{name} has no entry {} of term {}", leader_prev.index, leader_prev.term))
        }
        EventKind::ConflictFound { index, .. } => Some(format!("{name} replaces its entries from {index} on")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Input, Scenario};

    #[test]
    fn an_acknowledgement_says_whether_it_makes_a_majority() {
        let mut lab = Lab::new(Scenario::default(), 7);
        lab.run_until(SimTime(3_000_000), u64::MAX);
        lab.input(&Input::Line { terminal: 0, text: "etcdctl put a 1".to_owned() });
        let mut promises = Vec::new();
        let mut kept = Vec::new();
        for _ in 0..4_000 {
            lab.step();
            let acks = lab.sim().network().in_flight().filter(|packet| packet.root != EventId::NONE);
            let acks = acks.filter(|packet| cluster::label(&packet.message).starts_with("MsgAppResp"));
            for packet in acks.map(|packet| packet.id).collect::<Vec<_>>() {
                let view = MessageView::of(&lab, packet).unwrap();
                assert_eq!(view.fate, Fate::InFlight);
                promises.extend(view.effect.filter(|effect| !promises.contains(effect)));
                kept.push(packet);
            }
        }
        assert!(promises[0].starts_with("2 of 3 have entry ") && promises[0].ends_with(": it commits"), "{promises:?}");
        let first = MessageView::of(&lab, kept[0]).unwrap();
        assert_eq!(first.fate, Fate::Arrived);
        assert!(first.effect.unwrap().contains("committed up to entry"), "the effect is told afterwards");
    }
}
