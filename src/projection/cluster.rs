//! The cluster as a picture needs it: members with their logs, wires, and messages under way.

use super::words;
use crate::etcd::http::HttpFrame;
use crate::etcd::wire::{Frame, LeaseTell};
use crate::etcd::{Member, Wire, wal};
use crate::lab::check::Property;
use crate::lab::{Lab, LastWords, Mark};
use crate::raft::{Entry, Index, MessageType, PeerId, StateType, Storage, Term};
use crate::sim::network::Packet;
use crate::sim::trace::What;
use crate::sim::{HostId, Link, Micros, PacketId, SimTime};

/// Newest entries of a log that are shown one by one.
pub const CELLS_MAX: u64 = 12;
/// How far back the trace is read for what a disk took last.
const TRACE_SPAN: usize = 2_000;
/// Rates are counted over this much of the past, and at most this many events.
const RATE_WINDOW: Micros = Micros::from_secs(1);
const RATE_EVENTS_MAX: usize = 20_000;

#[derive(Clone, Debug, PartialEq)]
pub struct MemberView {
    pub host: HostId,
    pub name: String,
    pub state: Standing,
    pub disk_factor: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Without power, with what its disk still holds of the log.
    Off(Box<Running>),
    /// With power, but no member runs.
    Down(Down),
    Running(Box<Running>),
}

/// Why no member runs on a machine with power.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Down {
    /// In a word or two.
    pub state: &'static str,
    /// In its own words, if it said any.
    pub why: String,
}

impl Down {
    fn of(lab: &Lab, host: HostId) -> Down {
        if lab.is_joining(host) {
            return Down { state: "joining", why: "asks the others who is in the cluster".to_owned() };
        }
        match lab.last_words(host) {
            Some(LastWords::Refused(why)) => Down { state: "refuses to start", why: why.to_string() },
            Some(LastWords::Stopped(why)) => Down { state: "stopped", why: why.to_string() },
            None => Down { state: "not running", why: String::new() },
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    pub role: StateType,
    pub term: Term,
    /// Who it voted for in this term.
    pub vote: Option<String>,
    /// While it asks for votes: the answer of every voter, itself included; `None` is not heard yet.
    pub votes: Vec<(HostId, Option<bool>)>,
    /// Entries before the first cell.
    pub before: u64,
    pub cells: Vec<Cell>,
    pub committed: u64,
    pub applied: u64,
    pub last: u64,
    /// A write to its disk is under way.
    pub saving: bool,
    /// A leader's knowledge of the others.
    pub followers: Vec<Follower>,
    pub revision: i64,
    pub db_bytes: u64,
    pub fsync: Option<Micros>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub index: u64,
    pub term: u64,
    pub committed: bool,
    pub durable: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follower {
    pub host: HostId,
    pub name: String,
    pub matched: u64,
    pub next: u64,
    pub state: &'static str,
    pub active: bool,
    pub inflight: usize,
}

impl MemberView {
    pub fn of(lab: &Lab, host: HostId) -> MemberView {
        // A card looks once more after a world with fewer machines took the place of its own.
        if !lab.sim().has(host) {
            let state = Standing::Down(Down::default());
            return MemberView { host, name: String::new(), state, disk_factor: 1 };
        }
        let state = match lab.member(host) {
            Some(member) => Standing::Running(Box::new(Running::of(lab, host, member))),
            None if lab.sim().powered(host) => Standing::Down(Down::of(lab, host)),
            None => Standing::Off(Box::new(Running::on_disk(lab, host))),
        };
        MemberView { host, name: words::host(lab, host), state, disk_factor: lab.sim().disk(host).factor }
    }

    pub fn running(&self) -> Option<&Running> {
        match &self.state {
            Standing::Running(running) => Some(running),
            _ => None,
        }
    }

    /// One sentence for those who listen.
    pub fn spoken(&self) -> String {
        match &self.state {
            Standing::Off(_) => format!("{}, powered off", self.name),
            Standing::Down(Down { state, why }) if why.is_empty() => format!("{}, {state}", self.name),
            Standing::Down(Down { state, why }) => format!("{}, {state}: {why}", self.name),
            Standing::Running(running) => format!(
                "{}, {}, term {}, log up to {}, committed {}",
                self.name,
                role(running.role),
                running.term,
                running.last,
                running.committed
            ),
        }
    }
}

/// A role in a word.
pub fn role(state: StateType) -> &'static str {
    match state {
        StateType::Follower => "follower",
        StateType::PreCandidate => "pre-candidate",
        StateType::Candidate => "candidate",
        StateType::Leader => "leader",
    }
}

impl Running {
    fn of(lab: &Lab, host: HostId, member: &Member) -> Running {
        let raft = member.raft();
        let host_of = |id: PeerId| lab.host_of(id);
        let last = raft.last_index().0;
        let first = (last.saturating_sub(CELLS_MAX) + 1).max(raft.first_index().0);
        let durable = member.storage().last_index().0;
        let cell = |index| Cell {
            index,
            term: raft.term_at(Index(index)).unwrap_or_default().0,
            committed: index <= raft.committed().0,
            durable: index <= durable,
        };
        let asks = matches!(raft.state(), StateType::Candidate | StateType::PreCandidate);
        let voters = raft.tracker().config.voters.ids().filter(|_| asks);
        let leads = raft.state() == StateType::Leader;
        let peers = raft.tracker().progress.iter().filter(|(id, _)| leads && *id != raft.id());
        Running {
            role: raft.state(),
            term: raft.term(),
            vote: raft.vote().is_some().then(|| words::peer(lab, raft.vote())),
            votes: voters.filter_map(|id| Some((host_of(id)?, raft.tracker().votes.get(&id).copied()))).collect(),
            before: first - 1,
            cells: (first..=last).map(cell).collect(),
            committed: raft.committed().0,
            applied: member.applied().0,
            last,
            saving: member.is_saving(),
            followers: peers
                .filter_map(|(id, progress)| {
                    let status = progress.status();
                    Some(Follower {
                        host: host_of(id)?,
                        name: words::peer(lab, id),
                        matched: status.matched.0,
                        next: status.next.0,
                        state: status.state.trim_start_matches("State"),
                        active: status.recent_active,
                        inflight: status.inflight,
                    })
                })
                .collect(),
            revision: member.store().kv().revision(),
            db_bytes: member.store().kv().db_size().try_into().unwrap_or(0),
            fsync: last_fsync(lab, host),
        }
    }
}

/// A log on a disk without power is shown up to this size; reading a longer one would be felt.
const LOG_BYTES_MAX: u64 = 1 << 20;

impl Running {
    /// What a member without power would find on its disk.
    fn on_disk(lab: &Lab, host: HostId) -> Running {
        let disk = lab.sim().disk(host);
        let short = wal::size(disk).is_some_and(|(bytes, _)| bytes <= LOG_BYTES_MAX);
        let found = short.then(|| wal::recover(disk, true).ok()).flatten().unwrap_or_default();
        let committed = found.hard_state.commit.0;
        let last = found.entries.last().map_or(0, |entry| entry.index.0);
        let newest = &found.entries[found.entries.len().saturating_sub(CELLS_MAX as usize)..];
        let cell = |entry: &Entry| Cell {
            index: entry.index.0,
            term: entry.term.0,
            committed: entry.index.0 <= committed,
            durable: true,
        };
        Running {
            role: StateType::Follower,
            term: found.hard_state.term,
            vote: None,
            votes: Vec::new(),
            before: last - newest.len() as u64,
            cells: newest.iter().map(cell).collect(),
            committed,
            applied: committed,
            last,
            saving: false,
            followers: Vec::new(),
            revision: 0,
            db_bytes: 0,
            fsync: None,
        }
    }
}

/// How long the newest finished fsync of a host took.
fn last_fsync(lab: &Lab, host: HostId) -> Option<Micros> {
    lab.sim().trace().iter().rev().take(TRACE_SPAN).find_map(|event| match event.what {
        What::Syncing { done, .. } if event.host == host && done <= lab.now() => Some(done.since(event.at)),
        _ => None,
    })
}

/// A member's election timer: ticks since it heard from a leader, of how many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timer {
    pub elapsed: u32,
    pub timeout: u32,
}

impl Timer {
    /// `None` for a leader, which has none, and for who does not run.
    pub fn of(lab: &Lab, host: HostId) -> Option<Timer> {
        let raft = lab.member(host)?.raft();
        let timer = Timer { elapsed: raft.election_elapsed(), timeout: raft.randomized_election_timeout() };
        (raft.state() != StateType::Leader).then_some(timer)
    }

    /// What is left, from 1 to 0; `since` is the time since the last tick, so that it shrinks between ticks too.
    pub fn left(&self, since: Micros, tick: Micros) -> f64 {
        let part = (since.0 as f64 / tick.0.max(1) as f64).min(1.0);
        let elapsed = f64::from(self.elapsed) + part;
        (1.0 - elapsed / f64::from(self.timeout.max(1))).clamp(0.0, 1.0)
    }
}

/// The wire between two hosts, both ways.
#[derive(Clone, Debug, PartialEq)]
pub struct WireView {
    pub a: HostId,
    pub b: HostId,
    /// Cut from `a` to `b`, and from `b` to `a`.
    pub cut: [bool; 2],
    /// One of its ends has no power.
    pub dead: bool,
    /// What is unusual about it.
    pub label: Option<String>,
}

impl WireView {
    pub fn of(lab: &Lab, a: HostId, b: HostId) -> WireView {
        let network = lab.sim().network();
        let (there, back) = (network.link(a, b), network.link(b, a));
        let usual = lab.scenario().link();
        let label = match (unusual(&there, &usual), unusual(&back, &usual)) {
            (there, back) if there == back => there,
            (there, back) => {
                let name = |host| words::host(lab, host);
                let one = |to, text: Option<String>| text.map(|text| format!("to {}: {text}", name(to)));
                let both = [one(b, there), one(a, back)];
                Some(both.into_iter().flatten().collect::<Vec<_>>().join(" · "))
            }
        };
        let powered = |host| lab.sim().powered(host);
        WireView { a, b, cut: [there.cut, back.cut], dead: !powered(a) || !powered(b), label }
    }

    /// Every pair of hosts that have something to say to each other: API servers do not know of their like.
    pub fn pairs(lab: &Lab) -> Vec<(HostId, HostId)> {
        let station = lab.workstation().host();
        let hosts = hosts(lab);
        let pairs = hosts.iter().flat_map(|a| hosts.iter().filter(move |b| *a < **b).map(move |b| (*a, *b)));
        pairs.filter(|(a, _)| *a <= station).collect()
    }

    pub fn spoken(&self, lab: &Lab) -> String {
        let (a, b) = (words::host(lab, self.a), words::host(lab, self.b));
        let state = match self.cut {
            [true, true] => "cut".to_owned(),
            [true, false] => format!("cut towards {b}"),
            [false, true] => format!("cut towards {a}"),
            [false, false] => self.label.clone().unwrap_or_else(|| "healthy".to_owned()),
        };
        format!("link {a} to {b}, {state}")
    }
}

fn unusual(link: &Link, usual: &Link) -> Option<String> {
    let mut parts = Vec::new();
    if (link.latency, link.jitter) != (usual.latency, usual.jitter) {
        parts.push(delay(link));
    }
    let chances = [(link.loss, "loss"), (link.duplicate, "doubled"), (link.reorder, "reordered")];
    parts.extend(chances.iter().filter(|(chance, _)| chance.0 > 0).map(|(chance, name)| format!("{name} {chance}")));
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `80 ms`, or `80–120 ms` with jitter.
pub fn delay(link: &Link) -> String {
    match link.jitter {
        Micros(0) => words::span(link.latency),
        jitter => {
            let (least, most) = (words::span(link.latency), words::span(Micros(link.latency.0 + jitter.0)));
            match (least.split_once('\u{a0}'), most.split_once('\u{a0}')) {
                (Some((least, one)), Some((most, other))) if one == other => format!("{least}–{most}\u{a0}{one}"),
                _ => format!("{least} – {most}"),
            }
        }
    }
}

/// What a colour stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hue {
    Term(u64),
    Watch,
    Client,
}

/// A message under way.
#[derive(Clone, Debug, PartialEq)]
pub struct PacketView {
    pub id: PacketId,
    pub from: HostId,
    pub to: HostId,
    pub sent: SimTime,
    pub arrives: SimTime,
    pub hue: Hue,
    /// An answer, and whether it says yes.
    pub verdict: Option<bool>,
    pub label: String,
}

impl PacketView {
    pub fn of(packet: &Packet<Wire>) -> PacketView {
        PacketView {
            id: packet.id,
            from: packet.from,
            to: packet.to,
            sent: packet.sent,
            arrives: packet.arrives,
            hue: hue(&packet.message),
            verdict: verdict(&packet.message),
            label: label(&packet.message),
        }
    }

    /// How far it has come, from 0 to 1. Messages do not ease.
    pub fn share(&self, now: SimTime) -> f64 {
        let whole = self.arrives.since(self.sent).0.max(1);
        (now.since(self.sent).0 as f64 / whole as f64).min(1.0)
    }
}

/// At most `count_max` messages that fly for at least `flight_min`, oldest first.
pub fn packets(lab: &Lab, flight_min: Micros, count_max: usize) -> Vec<PacketView> {
    let long = |packet: &&Packet<Wire>| packet.arrives.since(packet.sent) >= flight_min;
    lab.sim().network().in_flight().filter(long).take(count_max).map(PacketView::of).collect()
}

pub fn hue(wire: &Wire) -> Hue {
    match wire {
        Wire::Peer(message) if message.term != Term(0) => Hue::Term(message.term.0),
        Wire::Client { frame: Frame::WatchAsk { .. } | Frame::WatchTell(_) | Frame::WatchEnd(_), .. } => Hue::Watch,
        _ => Hue::Client,
    }
}

pub fn verdict(wire: &Wire) -> Option<bool> {
    match wire {
        Wire::Peer(message) => message.msg_type.is_response().then_some(!message.reject),
        Wire::Greet { reply } => (!reply).then_some(true),
        Wire::Members { .. } | Wire::SnapshotTaken => Some(true),
        Wire::Gone => Some(false),
        Wire::LeaseTell { tell, .. } => Some(!matches!(tell, LeaseTell::NotFound | LeaseTell::Again)),
        Wire::HashKvTell { tell, .. } => Some(tell.is_ok()),
        Wire::PromoteTell { tell, .. } => Some(tell.is_ok()),
        Wire::LinkHeartbeat
        | Wire::MembersAsk
        | Wire::LeaseAsk { .. }
        | Wire::HashKvAsk { .. }
        | Wire::PromoteAsk { .. } => None,
        Wire::Client { frame, .. } => match frame {
            Frame::Answer { result, .. } => Some(result.is_ok()),
            Frame::Http(HttpFrame::Response { response, .. }) => Some(response.status < 400),
            Frame::Opened | Frame::Pong => Some(true),
            Frame::Reset => Some(false),
            _ => None,
        },
    }
}

/// The message's name, with the number that matters about it.
pub fn label(wire: &Wire) -> String {
    let Wire::Peer(message) = wire else { return wire.to_string() };
    let name = message.msg_type;
    match name {
        MessageType::MsgApp => match (message.entries.first(), message.entries.last()) {
            (Some(first), Some(last)) if first.index == last.index => format!("{name} {}", last.index),
            (Some(first), Some(last)) => format!("{name} {}–{}", first.index, last.index),
            _ => format!("{name} commit {}", message.commit),
        },
        MessageType::MsgAppResp => format!("{name} {}", message.index),
        MessageType::MsgVote | MessageType::MsgVoteResp | MessageType::MsgPreVote | MessageType::MsgPreVoteResp => {
            format!("{name} term {}", message.term)
        }
        _ => name.to_string(),
    }
}

/// How many messages a second pass from one host to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    pub from: HostId,
    pub to: HostId,
    pub rate: u32,
    pub hue: Hue,
}

/// What passed in the last second, one flow for each direction of each wire that carried something.
pub fn flows(lab: &Lab) -> Vec<Flow> {
    let since = lab.now() - RATE_WINDOW;
    let mut flows: Vec<Flow> = Vec::new();
    for event in lab.sim().trace().iter().rev().take(RATE_EVENTS_MAX) {
        if event.at < since {
            break;
        }
        let What::Sent { to, ref message, .. } = event.what else { continue };
        match flows.iter_mut().find(|flow| flow.from == event.host && flow.to == to) {
            Some(flow) => flow.rate += 1,
            None => flows.push(Flow { from: event.host, to, rate: 1, hue: hue(message) }),
        }
    }
    // What passed before an end lost its power is over.
    flows.retain(|flow| lab.sim().powered(flow.from) && lab.sim().powered(flow.to));
    flows.sort_by_key(|flow| (flow.from, flow.to));
    flows
}

/// A promise of Raft, and how it was broken if it was.
#[derive(Clone, Debug, PartialEq)]
pub struct PromiseView {
    pub name: &'static str,
    pub broken: Option<(SimTime, crate::sim::EventId, String)>,
}

pub fn promises(lab: &Lab) -> Vec<PromiseView> {
    let broken = |property| {
        let first = lab.check().violations().iter().find(|violation| violation.property == property);
        first.map(|violation| (violation.at, violation.event, violation.what.clone()))
    };
    Property::ALL.iter().map(|property| PromiseView { name: property.name(), broken: broken(*property) }).collect()
}

/// Hosts of the world: members first, then the workstation, then the API servers.
pub fn hosts(lab: &Lab) -> Vec<HostId> {
    lab.machines().chain([lab.workstation().host()]).chain(lab.api_server_machines()).collect()
}

/// The latest thing worth saying aloud: an election or a fault.
pub fn announcement(lab: &Lab) -> Option<String> {
    lab.chronicle().marks().iter().rev().take(200).find_map(|stamped| match &stamped.mark {
        Mark::Elected { host, term } => Some(format!("{} leads term {term}", words::host(lab, *host))),
        Mark::Fault(fault) => Some(fault.text(&|host| words::host(lab, host))),
        Mark::Refused { host, .. } => Some(format!("{} refuses to start", words::host(lab, *host))),
        Mark::Stopped { host, .. } => Some(format!("{} stopped", words::host(lab, *host))),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Input, Scenario};
    use crate::sim::Fault;

    fn running() -> Lab {
        let mut lab = Lab::new(Scenario::default(), 7);
        lab.run_until(SimTime(3_000_000), u64::MAX);
        lab
    }

    fn leader(lab: &Lab) -> HostId {
        lab.check().leaders().back().expect("somebody was elected").1
    }

    #[test]
    fn a_settled_cluster_is_one_leader_and_followers_who_have_everything() {
        let lab = running();
        let views: Vec<MemberView> = (0..3).map(|host| MemberView::of(&lab, HostId(host))).collect();
        let leaders: Vec<&Running> =
            views.iter().filter_map(MemberView::running).filter(|view| view.role == StateType::Leader).collect();
        assert_eq!(leaders.len(), 1);
        let leader = leaders[0];
        assert_eq!(leader.followers.len(), 2);
        assert!(leader.followers.iter().all(|follower| follower.matched == leader.last));
        assert!(leader.cells.iter().all(|cell| cell.committed && cell.durable));
        assert_eq!(leader.before + leader.cells.len() as u64, leader.last);
        assert!(leader.fsync.is_some());
        assert!(Timer::of(&lab, leader_host(&views)).is_none());
    }

    fn leader_host(views: &[MemberView]) -> HostId {
        views.iter().find(|view| view.running().is_some_and(|view| view.role == StateType::Leader)).unwrap().host
    }

    #[test]
    fn an_entry_is_shown_dashed_before_it_is_committed_and_hatched_before_it_is_durable() {
        let mut lab = running();
        lab.input(&Input::Line { terminal: 0, text: "etcdctl put a 1".to_owned() });
        let leader = leader(&lab);
        let mut seen = (false, false);
        for _ in 0..10_000 {
            lab.step();
            let view = MemberView::of(&lab, leader);
            let newest = *view.running().unwrap().cells.last().unwrap();
            seen.0 |= !newest.durable && !newest.committed;
            seen.1 |= newest.durable && !newest.committed;
        }
        assert_eq!(seen, (true, true));
    }

    #[test]
    fn a_machine_of_another_world_is_looked_at_without_harm() {
        let lab = Lab::new(Scenario { members: 1, ..Scenario::default() }, 1);
        assert!(MemberView::of(&lab, HostId(3)).running().is_none());
        assert!(WireView::of(&lab, HostId(0), HostId(2)).dead);
        assert!(Timer::of(&lab, HostId(2)).is_none());
    }

    #[test]
    fn wires_say_what_is_unusual_about_them() {
        let mut lab = running();
        let (a, b) = (HostId(0), HostId(1));
        assert_eq!(WireView::of(&lab, a, b).label, None);
        let (latency, jitter) = (Micros::from_millis(80), Micros::from_millis(40));
        lab.input(&Input::Fault(Fault::Latency { from: a, to: b, latency, jitter }));
        lab.input(&Input::Fault(Fault::Loss { from: a, to: b, chance: crate::sim::Ppm(200_000) }));
        assert_eq!(WireView::of(&lab, a, b).label.as_deref(), Some("80–120\u{a0}ms, loss 20%"));
        lab.input(&Input::Fault(Fault::Cut { from: a, to: b, one_way: true }));
        assert_eq!(WireView::of(&lab, a, b).cut, [true, false]);
        lab.input(&Input::Fault(Fault::PowerOff { host: b }));
        assert!(WireView::of(&lab, a, b).dead);
        let Standing::Off(held) = MemberView::of(&lab, b).state else { panic!("etcd-2 has no power") };
        assert_eq!((held.last, held.cells.len()), (8, 8));
        assert_eq!(announcement(&lab).as_deref(), Some("power-off etcd-2"));
    }

    #[test]
    fn api_servers_talk_to_members_and_to_you_but_not_to_each_other() {
        let lab = Lab::new(Scenario { members: 3, apiservers: 2, ..Scenario::default() }, 7);
        let pairs = WireView::pairs(&lab);
        assert_eq!(pairs.len(), 6 + 2 * 4);
        let names: Vec<String> = hosts(&lab).into_iter().map(|host| words::host(&lab, host)).collect();
        assert_eq!(names, ["etcd-1", "etcd-2", "etcd-3", "you", "apiserver-1", "apiserver-2"]);
        assert!(!pairs.contains(&(HostId(4), HostId(5))));
        assert!(pairs.contains(&(HostId(3), HostId(5))));
    }

    #[test]
    fn a_message_moves_in_step_with_time() {
        let mut lab = running();
        while lab.sim().network().in_flight().next().is_none() {
            lab.step();
        }
        let packet = packets(&lab, Micros(0), 60).remove(0);
        let half = SimTime((packet.sent.0 + packet.arrives.0) / 2);
        assert!((packet.share(half) - 0.5).abs() < 0.01);
        assert_eq!((packet.share(packet.sent), packet.share(packet.arrives)), (0.0, 1.0));
        assert!(!flows(&lab).is_empty());
    }
}
