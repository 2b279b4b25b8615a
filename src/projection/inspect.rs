//! What the inspector says about the thing that is selected.

use super::cluster::{self, MemberView, WireView};
use super::message::{Fate, MessageView};
use super::{lanes, servers, why, words};
use crate::etcd::wal;
use crate::lab::{Lab, Mark};
use crate::raft::{EntryType, Index, StateType};
use crate::sim::trace::What;
use crate::sim::{EventId, Fault, HostId, Micros, PacketId, Part, Ppm, SimTime};

/// A heading, facts under it, and the event to ask why about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    pub kind: &'static str,
    pub title: String,
    pub rows: Vec<(&'static str, String)>,
    /// Lines under the rows: entries that a message carries, a leader's followers.
    pub list: Vec<String>,
    /// What it means, in a sentence.
    pub effect: Option<String>,
    pub event: Option<EventId>,
}

/// Marks that the overview lists.
const RECENT: usize = 12;
/// Facts that are searched for the event that put an entry into a log.
const ENTRY_SPAN: usize = 20_000;

pub fn host(lab: &Lab, host: HostId) -> Sheet {
    if host == lab.workstation().host() {
        let terminals = lab.workstation().terminals();
        let running = terminals.iter().filter(|terminal| terminal.is_running()).count();
        return Sheet {
            kind: "workstation",
            title: "you".to_owned(),
            rows: vec![
                ("terminals", terminals.len().to_string()),
                ("programs", format!("{running} running")),
                ("inputs so far", lab.inputs().to_string()),
            ],
            ..Sheet::default()
        };
    }
    if lab.api_server_name(host).is_some() {
        return servers::sheet(lab, host);
    }
    let view = MemberView::of(lab, host);
    let mut sheet = Sheet { kind: "member", title: view.name.clone(), ..Sheet::default() };
    match &view.state {
        cluster::Standing::Off(held) => {
            sheet.rows.push(("state", "powered off".to_owned()));
            sheet.rows.push(("log on disk", format!("last {}, committed {}", held.last, held.committed)));
        }
        cluster::Standing::Down(down) => {
            sheet.rows.push(("state", down.state.to_owned()));
            if !down.why.is_empty() {
                sheet.rows.push(("why", down.why.clone()));
            }
        }
        cluster::Standing::Running(running) => {
            let raft = lab.member(host).map(|member| member.raft());
            let rows = &mut sheet.rows;
            rows.push(("role", cluster::role(running.role).to_owned()));
            rows.push(("term", running.term.to_string()));
            rows.push(("voted for", running.vote.clone().unwrap_or_else(|| "nobody".to_owned())));
            let leader = raft.map(|raft| raft.leader()).filter(|id| id.is_some());
            rows.push(("leader", leader.map_or_else(|| "unknown".to_owned(), |id| words::peer(lab, id))));
            let (committed, applied, last) = (running.committed, running.applied, running.last);
            rows.push(("log", format!("last {last}, committed {committed}, applied {applied}")));
            if let Some(timer) = cluster::Timer::of(lab, host) {
                let tick = lab.cluster().timing.heartbeat.0;
                let ms = |ticks: u32| u64::from(ticks) * tick / 1_000;
                rows.push(("election timer", format!("{} of {} ms", ms(timer.elapsed), ms(timer.timeout))));
            }
            rows.push(("revision", running.revision.to_string()));
            rows.push(("db size", words::bytes(running.db_bytes)));
            if let Some(member) = lab.member(host) {
                rows.push(("watchers", member.store().watcher_count().to_string()));
                let id = member.id();
                rows.push(("member id", id.to_string()));
            }
            if running.role == StateType::Leader {
                let line = |follower: &cluster::Follower| {
                    let silent = if follower.active { "" } else { ", silent" };
                    format!(
                        "{}: {}, match {}, next {}, {} in flight{silent}",
                        follower.name, follower.state, follower.matched, follower.next, follower.inflight
                    )
                };
                sheet.list = running.followers.iter().map(line).collect();
            }
        }
    }
    let disk = lab.sim().disk(host);
    if let Some((bytes, durable)) = wal::size(disk) {
        sheet.rows.push(("WAL", format!("{} durable, {} B not yet", words::bytes(durable), bytes - durable)));
        sheet.rows.push(("WAL segments", disk.files(wal::FILE).count().to_string()));
    }
    let mut factor = if disk.factor > 1 { format!(", {}× slower than healthy", disk.factor) } else { String::new() };
    factor += if disk.full { ", full" } else { "" };
    let fsync =
        view.running().and_then(|running| running.fsync).map(|took| format!("last fsync {}", words::span(took)));
    sheet.rows.push(("disk", format!("{}{factor}", fsync.unwrap_or_else(|| "idle".to_owned()))));
    sheet.event = newest_mark_of(lab, host);
    sheet
}

/// The newest thing on the timeline that was about this member.
fn newest_mark_of(lab: &Lab, host: HostId) -> Option<EventId> {
    let about = |mark: &Mark| match mark {
        Mark::Elected { host: who, .. }
        | Mark::SteppedDown { host: who, .. }
        | Mark::Campaign { host: who, .. }
        | Mark::Started { host: who }
        | Mark::Refused { host: who, .. }
        | Mark::Stopped { host: who, .. } => *who == host,
        _ => false,
    };
    lab.chronicle().marks().iter().rev().find(|stamped| about(&stamped.mark)).map(|stamped| stamped.event)
}

pub fn link(lab: &Lab, a: HostId, b: HostId) -> Sheet {
    let network = lab.sim().network();
    let (there, back) = (network.link(a, b), network.link(b, a));
    let (name_a, name_b) = (words::host(lab, a), words::host(lab, b));
    let way = |link: &crate::sim::Link| if link.cut { "cut".to_owned() } else { cluster::delay(link) };
    let mut rows = vec![(
        "state",
        WireView::of(lab, a, b).spoken(lab).rsplit_once(", ").map_or("", |(_, state)| state).to_owned(),
    )];
    if way(&there) == way(&back) {
        rows.push(("one way", way(&there)));
    } else {
        rows.push(("there", way(&there)));
        rows.push(("back", way(&back)));
    }
    rows.push(("loss", there.loss.to_string()));
    rows.push(("doubled", there.duplicate.to_string()));
    rows.push(("reordered", there.reorder.to_string()));
    rows.push(("bandwidth", format!("{} Mbit/s", there.bytes_per_ms * 8 / 1_000)));
    let between =
        network.in_flight().filter(|packet| (packet.from, packet.to) == (a, b) || (packet.from, packet.to) == (b, a));
    rows.push(("in flight", between.count().to_string()));
    Sheet { kind: "link", title: format!("{name_a} – {name_b}"), rows, ..Sheet::default() }
}

pub fn packet(lab: &Lab, packet: PacketId) -> Option<Sheet> {
    let view = MessageView::of(lab, packet)?;
    let (from, to) = (words::host(lab, view.from), words::host(lab, view.to));
    let mut rows = vec![("sent", words::moment(view.sent))];
    match view.fate {
        Fate::InFlight => rows.push(("arrives", words::moment(view.arrives))),
        Fate::Arrived => rows.push(("arrived", words::moment(view.arrives))),
        Fate::Lost(why) => rows.push(("lost", why.to_owned())),
    }
    rows.push(("under way", words::span(view.arrives.since(view.sent))));
    rows.extend(view.fields);
    Some(Sheet {
        kind: "message",
        title: format!("{} {from} → {to}", view.name),
        rows,
        list: view.entries,
        effect: view.effect,
        event: Some(EventId(packet.0)),
    })
}

pub fn entry(lab: &Lab, on: HostId, index: u64) -> Option<Sheet> {
    let entry = lab.member(on)?.raft().entries(Index(index), Index(index + 1))?.into_iter().next()?;
    let mut holders = Vec::new();
    for (host, member) in lab.members() {
        if member.raft().term_at(entry.index) == Some(entry.term) {
            let durable = member.storage().entry(entry.index).is_some_and(|held| held.term == entry.term);
            holders.push(format!("{}{}", words::host(lab, host), if durable { "" } else { " (not durable yet)" }));
        }
    }
    let committed = lab.member(on)?.raft().committed() >= entry.index;
    let kind = match entry.entry_type {
        EntryType::EntryNormal => "EntryNormal",
        EntryType::EntryConfChange => "EntryConfChange",
        EntryType::EntryConfChangeV2 => "EntryConfChangeV2",
    };
    Some(Sheet {
        kind: "log entry",
        title: format!("entry {index} on {}", words::host(lab, on)),
        rows: vec![
            ("term, index", format!("{}, {index}", entry.term)),
            ("type", kind.to_owned()),
            ("asks", words::entry(lab, &entry)),
            ("size", words::bytes(entry.encoded_size())),
            ("state", if committed { "committed" } else { "not committed yet" }.to_owned()),
            ("held by", holders.join(", ")),
        ],
        event: arrival_of(lab, on, index),
        ..Sheet::default()
    })
}

/// The event that put an entry into a member's log.
fn arrival_of(lab: &Lab, on: HostId, index: u64) -> Option<EventId> {
    use crate::etcd;
    use crate::lab::Fact;
    let appends = |entries: &[crate::raft::Entry]| entries.iter().any(|entry| entry.index.0 == index);
    let mut events = lab.sim().trace().iter().rev().take(ENTRY_SPAN);
    let found = events.find(|event| {
        event.host == on
            && matches!(&event.what, What::Fact(Fact::Etcd(etcd::Fact::Appended { entries })) if appends(entries))
    });
    found.map(|event| event.id)
}

/// Any event of the trace.
pub fn event(lab: &Lab, id: EventId) -> Option<Sheet> {
    let event = lab.event(id)?;
    if matches!(event.what, What::Sent { .. }) {
        return packet(lab, PacketId(id.0));
    }
    if let What::Delivered { packet: arrived, .. } = event.what
        && let Some(sheet) = packet(lab, arrived)
    {
        return Some(Sheet { event: Some(id), ..sheet });
    }
    let mut rows = vec![("at", words::moment(event.at)), ("on", words::host(lab, event.host))];
    if let What::Syncing { done, .. } = event.what {
        rows.push(("done", words::moment(done)));
    }
    let marked = lanes::mark_text(lab, id);
    let title = if marked.is_empty() { why::sentence(lab, event) } else { marked };
    Some(Sheet { kind: "event", title, rows, event: Some(id), ..Sheet::default() })
}

/// Something that the learner can do to what is selected.
#[derive(Clone, Debug, PartialEq)]
pub struct Verb {
    pub label: String,
    pub fault: Fault,
}

/// A disk this many times slower than healthy makes a member miss its heartbeats.
const SLOW_DISK: u32 = 100;
/// The delay that the verb for a slow link sets.
const SLOW_LINK: Micros = Micros::from_millis(50);
/// The share of messages that a bad link loses, doubles or puts in another order.
const BAD_LINK: Ppm = Ppm(200_000);

fn verb(label: impl Into<String>, fault: Fault) -> Verb {
    Verb { label: label.into(), fault }
}

/// What can be done to a machine as it is: its power, its process, what it keeps, its disk.
pub fn host_verbs(lab: &Lab, host: HostId) -> Vec<Verb> {
    if host == lab.workstation().host() || !lab.sim().has(host) {
        return Vec::new();
    }
    if lab.api_server_name(host).is_some() {
        return server_verbs(lab, host);
    }
    let disk = lab.sim().disk(host);
    let has_log = wal::size(disk).is_some();
    let mut verbs = Vec::new();
    if lab.sim().powered(host) {
        verbs.push(verb("Power off", Fault::PowerOff { host }));
        verbs.extend(process_verbs(lab, host, has_log));
    } else {
        verbs.push(verb("Power on", Fault::PowerOn { host }));
    }
    verbs.push(match disk.factor {
        1 => verb(format!("Slow disk ×{SLOW_DISK}"), Fault::SlowDisk { host, factor: SLOW_DISK }),
        _ => verb("Healthy disk", Fault::SlowDisk { host, factor: 1 }),
    });
    verbs.push(match disk.full {
        false => verb("Fill disk", Fault::FullDisk { host }),
        true => verb("Free disk", Fault::FreeDisk { host }),
    });
    if has_log {
        verbs.push(verb("Damage WAL", Fault::Damage { host, part: Part::Wal }));
        verbs.push(verb("Damage database", Fault::Damage { host, part: Part::Db }));
    }
    if has_log && lab.sim().powered(host) {
        verbs.push(verb("Power off, tear WAL", Fault::Tear { host }));
    }
    verbs
}

/// An API server keeps nothing on its disk.
fn server_verbs(lab: &Lab, host: HostId) -> Vec<Verb> {
    match (lab.sim().powered(host), lab.api_server(host).is_some()) {
        (false, _) => vec![verb("Power on", Fault::PowerOn { host })],
        (true, true) => vec![
            verb("Power off", Fault::PowerOff { host }),
            verb("Restart", Fault::Restart { host }),
            verb("Kill", Fault::Kill { host }),
        ],
        (true, false) => vec![verb("Power off", Fault::PowerOff { host }), verb("Start", Fault::Start { host })],
    }
}

fn process_verbs(lab: &Lab, host: HostId, has_log: bool) -> Vec<Verb> {
    let wipe = verb("Wipe data", Fault::Wipe { host });
    if lab.member(host).is_some() {
        return vec![verb("Restart", Fault::Restart { host }), verb("Kill", Fault::Kill { host }), wipe];
    }
    if lab.is_joining(host) {
        return vec![verb("Kill", Fault::Kill { host })];
    }
    let mut verbs = Vec::new();
    if has_log || lab.cluster().peer_on(host).is_some() {
        verbs.push(verb("Start", Fault::Start { host }));
    }
    if has_log {
        verbs.push(wipe);
    }
    if lab.members().next().is_some() {
        verbs.push(verb(if has_log { "Wipe and join" } else { "Join" }, Fault::Join { host }));
    }
    verbs
}

pub fn link_verbs(lab: &Lab, a: HostId, b: HostId) -> Vec<Verb> {
    let network = lab.sim().network();
    let (there, back) = (network.link(a, b), network.link(b, a));
    let mut verbs = Vec::new();
    if !(there.cut && back.cut) {
        verbs.push(verb("Cut", Fault::Cut { from: a, to: b, one_way: false }));
    }
    for (from, to) in [(a, b), (b, a)] {
        if !there.cut && !back.cut {
            let one_way = Fault::Cut { from, to, one_way: true };
            verbs.push(verb(format!("Cut only towards {}", words::host(lab, to)), one_way));
        }
    }
    if there.cut || back.cut {
        verbs.push(verb("Heal", Fault::Heal { from: a, to: b }));
    }
    let usual = lab.scenario().link();
    if (there.latency, there.jitter) == (usual.latency, usual.jitter) {
        let slow = Fault::Latency { from: a, to: b, latency: SLOW_LINK, jitter: Micros(0) };
        verbs.push(verb(format!("Latency {}", words::span(SLOW_LINK)), slow));
    } else {
        let usual = Fault::Latency { from: a, to: b, latency: usual.latency, jitter: usual.jitter };
        verbs.push(verb("Usual latency", usual));
    }
    let mut share = |what: &str, now: [Ppm; 2], fault: &dyn Fn(Ppm) -> Fault| match now {
        [Ppm(0), Ppm(0)] => verbs.push(verb(format!("{what} {BAD_LINK}"), fault(BAD_LINK))),
        _ => verbs.push(verb(format!("{what} nothing"), fault(Ppm(0)))),
    };
    share("Lose", [there.loss, back.loss], &|chance| Fault::Loss { from: a, to: b, chance });
    share("Double", [there.duplicate, back.duplicate], &|chance| Fault::Duplicate { from: a, to: b, chance });
    share("Reorder", [there.reorder, back.reorder], &|chance| Fault::Reorder { from: a, to: b, chance });
    verbs
}

pub fn packet_verbs(lab: &Lab, packet: PacketId) -> Vec<Verb> {
    let in_flight = lab.sim().network().packet(packet).is_some();
    in_flight.then(|| verb("Drop this message", Fault::Drop { packet })).into_iter().collect()
}

/// What happened last, newest first, writes and watch events of one kind told once.
pub fn recent(lab: &Lab) -> Vec<(EventId, SimTime, String)> {
    let marks = lab.chronicle().marks().iter().rev();
    marks.take(RECENT).map(|stamped| (stamped.event, stamped.at, lanes::describe(lab, &stamped.mark))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Input, Scenario};

    #[test]
    fn sheets_say_what_there_is() {
        let mut lab = Lab::new(Scenario::default(), 7);
        lab.run_until(SimTime(3_000_000), u64::MAX);
        lab.input(&Input::Line { terminal: 0, text: "etcdctl put a 'hello world!'".to_owned() });
        lab.run_until(SimTime(3_200_000), u64::MAX);
        let leader = lab.check().leaders().back().unwrap().1;
        let member = host(&lab, leader);
        assert!(member.rows.contains(&("role", "leader".to_owned())), "{member:?}");
        assert_eq!(member.list.len(), 2);
        let last = lab.member(leader).unwrap().raft().last_index().0;
        let sheet = entry(&lab, leader, last).unwrap();
        assert!(sheet.rows.contains(&("asks", "put \"a\", 12 bytes".to_owned())), "{sheet:?}");
        assert!(sheet.rows.contains(&("held by", "etcd-1, etcd-2, etcd-3".to_owned())), "{sheet:?}");
        assert!(sheet.event.is_some());
        assert_eq!(link(&lab, HostId(0), HostId(1)).rows[1], ("one way", "500–600\u{a0}µs".to_owned()));
        assert_eq!(recent(&lab)[0].2, "revision 2 written");
        assert_eq!(host(&lab, HostId(3)).title, "you");
        let labels = |verbs: Vec<Verb>| verbs.into_iter().map(|verb| verb.label).collect::<Vec<_>>();
        let disk = ["Slow disk ×100", "Fill disk", "Damage WAL", "Damage database"];
        let running = [&["Power off", "Restart", "Kill", "Wipe data"], &disk[..], &["Power off, tear WAL"]].concat();
        assert_eq!(labels(host_verbs(&lab, leader)), running);
        let (a, b) = (HostId(0), HostId(1));
        let whole = ["Cut", "Cut only towards etcd-2", "Cut only towards etcd-1", "Latency 50\u{a0}ms"];
        let bad = ["Lose 20%", "Double 20%", "Reorder 20%"];
        assert_eq!(labels(link_verbs(&lab, a, b)), [&whole[..], &bad].concat());
        lab.input(&Input::Fault(Fault::Cut { from: a, to: b, one_way: false }));
        lab.input(&Input::Fault(Fault::Loss { from: a, to: b, chance: BAD_LINK }));
        let cut = ["Heal", "Latency 50\u{a0}ms", "Lose nothing", "Double 20%", "Reorder 20%"];
        assert_eq!(labels(link_verbs(&lab, a, b)), cut);
    }

    #[test]
    fn verbs_are_those_that_make_sense() {
        let mut lab = Lab::new(Scenario::parse("members=1 spares=1").unwrap(), 7);
        lab.run_until(SimTime(3_000_000), u64::MAX);
        let labels = |lab: &Lab, host| host_verbs(lab, host).into_iter().map(|verb| verb.label).collect::<Vec<_>>();
        let (host, spare) = (HostId(0), HostId(1));
        assert_eq!(labels(&lab, spare), ["Power off", "Join", "Slow disk ×100", "Fill disk"]);
        for fault in [Fault::Kill { host }, Fault::FullDisk { host }, Fault::SlowDisk { host, factor: 2 }] {
            lab.input(&Input::Fault(fault));
        }
        let disk = ["Healthy disk", "Free disk", "Damage WAL", "Damage database"];
        let killed = [&["Power off", "Start", "Wipe data"], &disk[..], &["Power off, tear WAL"]].concat();
        assert_eq!(labels(&lab, host), killed);
        assert_eq!(super::host(&lab, host).rows[0], ("state", "not running".to_owned()));
        lab.input(&Input::Fault(Fault::PowerOff { host }));
        assert_eq!(labels(&lab, host), [&["Power on"], &disk[..]].concat());
        assert!(host_verbs(&lab, HostId(2)).is_empty(), "the workstation");
    }
}
