//! Why: the chain of causes behind an event, back to what the learner did or the timer that began it, and what followed
//! from it. Each step is one plain sentence with its time.
//!
//! ```text
//!   Input ──> Sent ─> Delivered ──> Sent ─> Delivered ──> Syncing ─> Woken(Saved) ──> Sent      (what the trace holds)
//!   You ran   It sent a request     it appended and sent   it wrote to disk            it acknowledged   (what is told)
//! ```
//!
//! A message's arrival, a finished fsync and the greetings of a connection are told with what they belong to.

use super::message::{self, call};
use super::words;
use crate::etcd::http::HttpFrame;
use crate::etcd::wire::Frame;
use crate::etcd::{self, Fact, MemberNote, Wire};
use crate::k8s::apiserver;
use crate::lab::{self, Lab, Mark, Note, TraceEvent};
use crate::raft::{EventKind, Message, MessageType};
use crate::sim::trace::What;
use crate::sim::{EventId, HostId, Micros, SimTime};
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub event: EventId,
    pub at: SimTime,
    pub text: String,
    /// What the learner typed, if the step is that.
    pub command: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chain {
    /// Oldest first; the last is the event asked about.
    pub steps: Vec<Step>,
    /// How many steps between the first and the second were left out.
    pub hidden: usize,
}

/// Events that a chain is followed back over.
const LINKS_MAX: usize = 400;
/// Events after one that are searched for what followed.
const FOLLOWED_SPAN: usize = 4_000;
/// How far back the last word of a leader is looked for.
const HEARD_SPAN: usize = 4_000;

/// The causes of an event, at most `steps_max` of them told.
pub fn why(lab: &Lab, event: EventId, steps_max: usize) -> Chain {
    let mut links: Vec<&TraceEvent> = Vec::new();
    let mut next = Some(event).and_then(|id| lab.event(id));
    let mut forgotten = false;
    while let Some(event) = next {
        links.push(event);
        let ends = matches!(event.what, What::Input(_)) || is_timer(event);
        if ends || links.len() == LINKS_MAX || event.cause == EventId::NONE {
            break;
        }
        next = lab.event(event.cause);
        forgotten = next.is_none();
    }
    links.reverse();
    let mut steps: Vec<Step> = Vec::new();
    if let Some(first) = links.first() {
        steps.extend(prologue(lab, first, links.get(1).copied()));
        if forgotten {
            let text = "What caused this is so long ago that it is forgotten".to_owned();
            steps.push(Step { event: first.id, at: first.at, text, command: None });
        }
    }
    for (position, link) in links.iter().enumerate() {
        let last = position + 1 == links.len();
        steps.extend(tell(lab, link, links.get(position + 1).copied(), last));
    }
    merge(&mut steps);
    let hidden = steps.len().saturating_sub(steps_max);
    if hidden > 0 {
        steps.drain(1..=hidden);
    }
    Chain { steps, hidden }
}

/// What followed from an event, oldest first, up to the next timer: at most `steps_max` steps.
pub fn followed(lab: &Lab, event: EventId, steps_max: usize) -> Vec<Step> {
    let mut family = BTreeSet::from([event]);
    let mut steps = Vec::new();
    for later in lab.sim().trace().after(event).take(FOLLOWED_SPAN) {
        if !family.contains(&later.cause) || is_timer(later) {
            continue;
        }
        family.insert(later.id);
        let step = match &later.what {
            What::Sent { .. } | What::Lost { .. } => tell(lab, later, None, false).pop(),
            What::Fact(fact) => message::telling(lab, later.host, fact).map(|text| step(later, text)),
            _ => None,
        };
        steps.extend(step);
        merge(&mut steps);
        if steps.len() >= steps_max {
            break;
        }
    }
    steps
}

/// One sentence about an event, for lists.
pub fn sentence(lab: &Lab, event: &TraceEvent) -> String {
    tell(lab, event, None, true).pop().map_or_else(|| "something happened".to_owned(), |step| step.text)
}

/// A timer of a program or a member, in contrast to a disk that finished.
fn is_timer(event: &TraceEvent) -> bool {
    match &event.what {
        What::Woken(Note::Etcd(etcd::Note::Member(note))) => !matches!(note, MemberNote::Saved | MemberNote::Greet),
        What::Woken(_) => true,
        _ => false,
    }
}

fn step(event: &TraceEvent, text: String) -> Step {
    Step { event: event.id, at: event.at, text, command: None }
}

/// What must be known before the first link can be understood: whom a timer had been waiting for.
fn prologue(lab: &Lab, first: &TraceEvent, second: Option<&TraceEvent>) -> Vec<Step> {
    if !is_timer(first) || !second.is_some_and(begins_election) {
        return Vec::new();
    }
    let mut steps = Vec::new();
    let heard = |event: &&TraceEvent| {
        event.id < first.id
            && event.host == first.host
            && matches!(&event.what, What::Delivered { message, .. }
                if matches!(message.as_ref(), Wire::Peer(message)
                    if matches!(message.msg_type, MessageType::MsgApp | MessageType::MsgHeartbeat)))
    };
    let Some(heard) = lab.sim().trace().iter().rev().take(HEARD_SPAN).find(heard) else { return steps };
    let What::Delivered { from, .. } = heard.what else { return steps };
    let name = words::host(lab, first.host);
    let text = format!("{name} heard from its leader {} for the last time", words::host(lab, from));
    steps.push(step(heard, text));
    let between = |stamped: &&crate::lab::Stamped| stamped.at <= first.at && stamped.at + HEARTBEATS >= heard.at;
    let marks = lab.chronicle().marks();
    let fault = marks.iter().rev().take(HEARD_SPAN).filter(between).find_map(|stamped| match &stamped.mark {
        Mark::Fault(_) => lab.event(stamped.event).filter(|event| matches!(event.what, What::Input(_))),
        _ => None,
    });
    if let Some(fault) = fault {
        steps.extend(tell(lab, fault, None, false));
        steps.sort_by_key(|step| step.at);
    }
    steps
}

/// A fault may precede the last heartbeat that was already under way by this much.
const HEARTBEATS: Micros = Micros::from_millis(500);

fn begins_election(event: &TraceEvent) -> bool {
    match &event.what {
        What::Sent { message, .. } => matches!(message.as_ref(), Wire::Peer(message)
            if matches!(message.msg_type, MessageType::MsgPreVote | MessageType::MsgVote)),
        What::Fact(lab::Fact::Etcd(Fact::Raft(event))) => {
            matches!(event.kind, EventKind::BecamePreCandidate { .. } | EventKind::BecameCandidate { .. })
        }
        _ => false,
    }
}

/// An event in words; `next` is the link that it led to. Empty for what is told with its neighbours.
fn tell(lab: &Lab, event: &TraceEvent, next: Option<&TraceEvent>, last: bool) -> Vec<Step> {
    let name = words::host(lab, event.host);
    match &event.what {
        What::Input(_) => vec![input(lab, event)],
        What::Sent { to, message, .. } => vec![step(event, sent(lab, event, &name, *to, message))],
        What::Delivered { from, message, .. } => {
            let insight = insights(lab, event);
            if last && insight.is_empty() {
                let from = words::host(lab, *from);
                return vec![step(event, format!("{} from {from} reached {name}", super::cluster::label(message)))];
            }
            insight
        }
        What::Lost { to, why, .. } => {
            let to = words::host(lab, *to);
            vec![step(event, format!("The message from {name} to {to} was lost: {}", message::loss(*why)))]
        }
        What::Woken(note) => {
            let mut steps = if is_timer(event) { vec![step(event, timer(lab, &name, note, next))] } else { Vec::new() };
            steps.extend(insights(lab, event));
            if steps.is_empty() && last {
                steps.push(step(event, format!("{name}'s disk finished")));
            }
            steps
        }
        What::Syncing { bytes, done, .. } => {
            let (size, took) = (words::bytes(*bytes), words::span(done.since(event.at)));
            vec![step(event, format!("{name} wrote {size} to its WAL, fsync {took}"))]
        }
        What::Fact(fact) => {
            let text = message::telling(lab, event.host, fact).or_else(|| plain(lab, &name, fact));
            text.map(|text| step(event, text)).into_iter().collect()
        }
    }
}

/// Facts too plain for a list of effects, but which one may have picked.
fn plain(lab: &Lab, name: &str, fact: &lab::Fact) -> Option<String> {
    let fact = match fact {
        lab::Fact::Etcd(fact) => fact,
        lab::Fact::ApiServer(apiserver::Fact::Asked { verb, path, .. }) => {
            return Some(format!("{name} was asked to {verb} {path}"));
        }
        lab::Fact::ApiServer(apiserver::Fact::Cached { prefix, revision }) => {
            return Some(format!("{name}'s cache of {prefix} is at revision {revision}"));
        }
        lab::Fact::ApiServer(apiserver::Fact::AskedEtcd { .. }) => return Some(format!("{name} asked etcd")),
        lab::Fact::ApiServer(apiserver::Fact::EtcdTold { .. }) => {
            return Some(format!("{name} had its answer from etcd"));
        }
        lab::Fact::ApiServer(_) => return None,
    };
    Some(match fact {
        Fact::Appended { entries } => match (entries.first(), entries.last()) {
            (Some(first), Some(last)) if first.index == last.index => {
                format!("{name} appended entry {}: {}", last.index, words::entry(lab, last))
            }
            (Some(first), Some(last)) => format!("{name} appended entries {} to {}", first.index, last.index),
            _ => return None,
        },
        Fact::Persisted { last } => format!("{name}'s log is durable up to entry {last}"),
        Fact::Committed { index, .. } => format!("{name} knows that entry {index} is committed"),
        Fact::Applied { entry, .. } => format!("{name} applied entry {}: {}", entry.index, words::entry(lab, entry)),
        Fact::Answered { call, .. } => format!("{name} answered {call}"),
        Fact::Connected { endpoint } => format!("The client is connected to {endpoint}"),
        Fact::Raft(event) => format!("{name}: {}", spoken_kind(&event.kind)),
        _ => return None,
    })
}

/// The name of a Raft fact that has no sentence of its own: `term changed` and the like.
fn spoken_kind(kind: &EventKind) -> String {
    let name = format!("{kind:?}");
    let name = name.split([' ', '(', '{']).next().unwrap_or_default();
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// Decisions made at an occurrence that are worth a step of their own.
fn insights(lab: &Lab, event: &TraceEvent) -> Vec<Step> {
    let decides = |fact: &lab::Fact| {
        matches!(fact, lab::Fact::Etcd(Fact::Raft(event)) if matches!(event.kind,
            EventKind::BecameLeader { .. } | EventKind::BecameCandidate { .. } | EventKind::CommitAdvanced { .. }
                | EventKind::SteppedDownWithoutQuorum | EventKind::AppendRejected { .. }
                | EventKind::VoteRejected(_) | EventKind::VoteIgnoredInLease { .. }))
    };
    let facts = message::facts(lab, event.id).filter(|(_, fact)| decides(fact));
    facts.filter_map(|(host, fact)| Some(step(event, message::telling(lab, host, fact)?))).collect()
}

fn input(lab: &Lab, event: &TraceEvent) -> Step {
    let marks = lab.chronicle().marks();
    let position = marks.binary_search_by(|stamped| stamped.event.cmp(&event.id)).ok();
    let (text, command) = match position.and_then(|position| marks.get(position)).map(|stamped| &stamped.mark) {
        Some(Mark::Command { terminal, line }) => {
            (format!("You ran a command in terminal {}", terminal + 1), Some(line.clone()))
        }
        Some(Mark::Interrupt { terminal }) => (format!("You pressed Ctrl-C in terminal {}", terminal + 1), None),
        Some(Mark::Fault(fault)) => ("You did this".to_owned(), Some(fault.text(&|host| words::host(lab, host)))),
        _ => ("You acted".to_owned(), None),
    };
    Step { event: event.id, at: event.at, text, command }
}

fn timer(lab: &Lab, name: &str, note: &Note, next: Option<&TraceEvent>) -> String {
    let timing = lab.cluster().timing;
    match note {
        Note::Etcd(etcd::Note::Member(MemberNote::Tick)) if next.is_some_and(begins_election) => {
            format!("{name}'s election timer ran out: no leader for {} or more", words::span(timing.election))
        }
        Note::Etcd(etcd::Note::Member(MemberNote::FirstElection)) if next.is_some_and(begins_election) => {
            format!("{name} had just started, found its peers and knew no leader")
        }
        Note::Etcd(etcd::Note::Member(MemberNote::Tick)) => {
            format!("{name}'s clock ticked, as every {}", words::span(timing.heartbeat))
        }
        Note::Etcd(etcd::Note::Member(MemberNote::RetryVictims)) => format!("{name} tried full streams again"),
        Note::Etcd(etcd::Note::Member(MemberNote::SyncWatchers)) => format!("{name} let slow watchers catch up"),
        Note::Etcd(etcd::Note::Member(MemberNote::Sweep)) => format!("{name} went on compacting"),
        Note::Etcd(etcd::Note::Member(MemberNote::Leases)) => format!("{name} looked for leases that have ended"),
        Note::Etcd(etcd::Note::Member(MemberNote::Compactor)) => format!("{name} noted its revision, to compact later"),
        Note::Etcd(etcd::Note::Member(MemberNote::CorruptCheck)) => {
            format!("{name} compared its store with the others'")
        }
        Note::Etcd(etcd::Note::Member(_)) => format!("{name}'s timer ran out"),
        Note::Etcd(etcd::Note::Client(..)) => "The client's timer ran out".to_owned(),
        Note::ApiServer(_) => format!("{name}'s timer ran out"),
        Note::Timer(_) => "A program's timer ran out".to_owned(),
    }
}

fn sent(lab: &Lab, event: &TraceEvent, name: &str, to: HostId, wire: &Wire) -> String {
    let to_name = words::host(lab, to);
    match wire {
        Wire::Greet { reply: true } => format!("{name} greeted {to_name}"),
        Wire::Greet { reply: false } => format!("{name} greeted {to_name} back"),
        Wire::LinkHeartbeat => format!("{name} showed {to_name} that their stream lives"),
        Wire::SnapshotTaken => format!("{name} told {to_name} that it has the whole snapshot"),
        Wire::Gone => format!("{name} told {to_name} that it was removed from the cluster"),
        Wire::MembersAsk => format!("{name} asked {to_name} who is in the cluster"),
        Wire::Members { members, .. } => {
            format!("{name} told {to_name} of {}", words::count(members.len(), "member"))
        }
        Wire::LeaseAsk { .. } => format!("{name} asked {to_name}, which counts the leases, about one"),
        Wire::LeaseTell { .. } => format!("{name} told {to_name} about a lease"),
        Wire::PromoteAsk { .. } => {
            format!("{name} passed on to {to_name}, which leads, that a learner is to become a voter")
        }
        Wire::PromoteTell { .. } => format!("{name} told {to_name} what came of promoting a learner"),
        Wire::HashKvAsk { .. } => format!("{name} asked {to_name} for the hash of its store"),
        Wire::HashKvTell { .. } => format!("{name} told {to_name} the hash of its store"),
        Wire::Peer(message) => raft_sent(lab, event, name, &to_name, message),
        Wire::Client { frame, .. } => match frame {
            Frame::Open => format!("The client opened a connection to {to_name}"),
            Frame::Opened => format!("{name} accepted the connection"),
            Frame::Reset => format!("{name} reset the connection: it does not know it"),
            Frame::Close => format!("{} closed the connection to {to_name}", subject(lab, event.host)),
            Frame::Ping => format!("The client asked whether {to_name} is still there"),
            Frame::Pong => format!("{name} said that it is still there"),
            Frame::Call { request, .. } => {
                format!("The client sent {} to {to_name}: {}", request.name(), call(request))
            }
            Frame::Answer { result: Ok(response), .. } => {
                let revision = response.header().map_or(0, |header| header.revision);
                format!("{name} answered {} at revision {revision}", response.name())
            }
            Frame::Answer { result: Err(status), .. } => format!("{name} answered with an error: {}", status.message),
            Frame::WatchAsk { .. } => format!("The client asked {to_name} about a watch"),
            Frame::WatchTell(response) if response.events.is_empty() => format!("{name} confirmed the watch"),
            Frame::WatchTell(response) => {
                let events = words::count(response.events.len(), "event");
                format!("{name} told the watch of {events}")
            }
            Frame::WatchEnd(status) => format!("{name} ended the watch stream: {}", status.message),
            Frame::Http(frame) => match frame {
                HttpFrame::Request { request, .. } => format!("The client asked {to_name} for {}", request.target),
                HttpFrame::Response { response, .. } => format!("{name} answered {}", response.name()),
                HttpFrame::Data { .. } => format!("{name} went on with its answer"),
                HttpFrame::Cancel { .. } => format!("The client wants no more of {to_name}'s answer"),
            },
        },
    }
}

fn subject(lab: &Lab, host: HostId) -> String {
    if host != lab.workstation().host() { words::host(lab, host) } else { "The client".to_owned() }
}

fn raft_sent(lab: &Lab, event: &TraceEvent, name: &str, to: &str, message: &Message) -> String {
    use MessageType::*;
    let term = message.term;
    match message.msg_type {
        MsgProp => {
            let what: Vec<String> = message.entries.iter().map(|entry| words::entry(lab, entry)).collect();
            format!("{name} forwarded the proposal to its leader {to}: {}", what.join(", "))
        }
        MsgApp => match (message.entries.first(), message.entries.last()) {
            (Some(first), Some(last)) if first.index == last.index => {
                format!("{name} (leader, term {term}) put entry {} into its log and sent it to {to}", last.index)
            }
            (Some(first), Some(last)) => {
                format!("{name} (leader, term {term}) sent entries {} to {} to {to}", first.index, last.index)
            }
            _ => format!("{name} (leader, term {term}) told {to} that entry {} is committed", message.commit),
        },
        MsgAppResp if message.reject => format!("{name} told {to} that its log does not fit there"),
        MsgAppResp => format!("{name} acknowledged entry {} to {to}", message.index),
        MsgHeartbeat => format!("{name} (leader, term {term}) sent a heartbeat to {to}"),
        MsgHeartbeatResp => format!("{name} answered the heartbeat"),
        MsgPreVote => format!("{name} asked {to} whether it would vote for it in term {term}"),
        MsgVote => format!("{name} asked {to} for its vote in term {term}"),
        MsgPreVoteResp | MsgVoteResp => {
            let verdict = match (message.reject, message.msg_type) {
                (true, _) => "refused",
                (false, MsgVoteResp) => "gave its vote to",
                (false, _) => "would vote for",
            };
            format!("{name} {verdict} {to} in term {term}")
        }
        MsgReadIndex => format!("{name} asked its leader {to} which entry a read must wait for"),
        MsgReadIndexResp => format!("{name} told {to} that reads must wait for entry {}", message.index),
        MsgSnap => format!("{name} sent a snapshot to {to}"),
        MsgTimeoutNow => format!("{name} told {to} to stand for election at once"),
        other => format!("{} sent {other} to {to}", subject(lab, event.host)),
    }
}

/// Says what belongs together once: the greetings of a connection, two messages of one kind at one moment.
fn merge(steps: &mut Vec<Step>) {
    let opens = |step: &Step| step.text.starts_with("The client opened a connection");
    let accepts = |step: &Step| step.text.ends_with("accepted the connection");
    let mut position = 1;
    while position < steps.len() {
        let (before, here) = (&steps[position - 1], &steps[position]);
        if opens(before) && accepts(here) {
            let text = before.text.replace("opened a connection", "connected");
            steps[position - 1].text = text;
            steps.remove(position);
        } else if before.text == here.text {
            steps.remove(position);
        } else {
            position += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Input, Scenario};
    use crate::sim::Fault;

    fn after(line: &str, until: u64) -> Lab {
        let mut lab = Lab::new(Scenario::default(), 7);
        lab.run_until(SimTime(3_000_000), u64::MAX);
        lab.input(&Input::Line { terminal: 0, text: line.to_owned() });
        lab.run_until(SimTime(until), u64::MAX);
        lab
    }

    fn written(steps: &[Step]) -> String {
        let line = |step: &Step| {
            let command = step.command.as_ref().map(|command| format!(" `{command}`")).unwrap_or_default();
            format!("{} {}{command}\n", step.at, step.text)
        };
        steps.iter().map(line).collect()
    }

    fn sent_of(lab: &Lab, kind: MessageType) -> EventId {
        let found = lab.sim().trace().iter().rev().find(|event| {
            event.root != EventId::NONE
                && matches!(&event.what, What::Sent { message, .. }
                    if matches!(message.as_ref(), Wire::Peer(message) if message.msg_type == kind))
        });
        found.expect("the message was sent").id
    }

    fn golden(name: &str, text: &str) {
        let path = format!("{}/tests/testdata/projection/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{path}");
    }

    #[test]
    fn an_acknowledgement_goes_back_to_the_command() {
        let lab = after("etcdctl put a 1", 3_100_000);
        let chain = why(&lab, sent_of(&lab, MessageType::MsgAppResp), 40);
        assert_eq!(chain.hidden, 0);
        assert_eq!(chain.steps[0].command.as_deref(), Some("etcdctl put a 1"));
        golden("why-acknowledgement", &written(&chain.steps));
    }

    #[test]
    fn what_followed_from_a_command_ends_with_its_answer() {
        let lab = after("etcdctl put a 1", 3_100_000);
        let input = lab.sim().trace().iter().find(|event| matches!(event.what, What::Input(_))).unwrap().id;
        let steps = followed(&lab, input, 40);
        assert!(steps.iter().any(|step| step.text.contains("answered PutResponse")), "{}", written(&steps));
        golden("followed-put", &written(&steps));
    }

    #[test]
    fn an_election_goes_back_to_the_lost_leader_and_the_hand_that_took_it() {
        let mut lab = after("etcdctl put a 1", 3_100_000);
        let leader = lab.check().leaders().back().unwrap().1;
        lab.input(&Input::Fault(Fault::PowerOff { host: leader }));
        lab.run_until(SimTime(8_000_000), u64::MAX);
        let elected = lab.chronicle().marks().iter().rev().find(|stamped| matches!(stamped.mark, Mark::Elected { .. }));
        let chain = why(&lab, elected.unwrap().event, 40);
        golden("why-election", &written(&chain.steps));
    }

    #[test]
    fn a_long_chain_is_cut_in_the_middle() {
        let lab = after("etcdctl put a 1", 3_100_000);
        let chain = why(&lab, sent_of(&lab, MessageType::MsgAppResp), 3);
        assert_eq!(chain.steps.len(), 3);
        assert!(chain.hidden > 0);
        assert!(chain.steps[0].command.is_some());
    }
}
