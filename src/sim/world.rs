//! The kernel: what is due, and what hosts ask for.

use super::network::{Fate, Packet};
use super::schedule::Schedule;
use super::trace::Loss;
use super::{
    Delivery, Disk, DiskProfile, EventId, Fault, FileName, HostId, Link, Micros, Network, PacketId, Prng, SimTime,
    Trace, TraceEvent, What,
};
use bytes::Bytes;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What a host wants done, in order. `M` is what it sends, `T` what it tells itself later, `F` what it reports.
#[derive(Clone, Debug)]
pub enum Effect<M, T, F> {
    Send { to: HostId, message: Arc<M>, bytes: u32, delivery: Delivery, because: Option<EventId> },
    Wake { after: Micros, note: T },
    Write { file: FileName, chunk: Bytes },
    Sync { file: FileName, note: T, because: Option<EventId> },
    Rename { from: FileName, to: FileName },
    Remove { file: FileName },
    Fact(F),
}

/// Where a host puts its effects while it handles one occurrence.
#[derive(Clone, Debug)]
pub struct Outbox<M, T, F> {
    effects: Vec<Effect<M, T, F>>,
}

impl<M, T, F> Default for Outbox<M, T, F> {
    fn default() -> Self {
        Outbox { effects: Vec::new() }
    }
}

impl<M, T, F> Outbox<M, T, F> {
    /// Sends a message of `bytes` on the wire.
    pub fn send(&mut self, to: HostId, message: M, bytes: u32, delivery: Delivery) {
        self.effects.push(Effect::Send { to, message: Arc::new(message), bytes, delivery, because: None });
    }

    /// Sends a message whose cause is not the occurrence being handled but an earlier event.
    pub fn send_because(&mut self, because: EventId, to: HostId, message: M, bytes: u32, delivery: Delivery) {
        let because = Some(because);
        self.effects.push(Effect::Send { to, message: Arc::new(message), bytes, delivery, because });
    }

    /// Hands `note` back after a span.
    pub fn wake(&mut self, after: Micros, note: T) {
        self.effects.push(Effect::Wake { after, note });
    }

    pub fn write(&mut self, file: impl Into<FileName>, chunk: Bytes) {
        self.effects.push(Effect::Write { file: file.into(), chunk });
    }

    /// Hands `note` back when everything written to the file so far is durable.
    pub fn sync(&mut self, file: impl Into<FileName>, note: T, because: Option<EventId>) {
        self.effects.push(Effect::Sync { file: file.into(), note, because });
    }

    /// Gives a file the name of another, which it replaces.
    pub fn rename(&mut self, from: impl Into<FileName>, to: impl Into<FileName>) {
        self.effects.push(Effect::Rename { from: from.into(), to: to.into() });
    }

    pub fn remove(&mut self, file: impl Into<FileName>) {
        self.effects.push(Effect::Remove { file: file.into() });
    }

    pub fn fact(&mut self, fact: F) {
        self.effects.push(Effect::Fact(fact));
    }

    /// Takes over what a part of the host wants done, which knows only its own notes and facts.
    pub fn absorb<T2: Into<T>, F2: Into<F>>(&mut self, part: Outbox<M, T2, F2>) {
        self.effects.extend(part.effects.into_iter().map(|effect| match effect {
            Effect::Send { to, message, bytes, delivery, because } => {
                Effect::Send { to, message, bytes, delivery, because }
            }
            Effect::Wake { after, note } => Effect::Wake { after, note: note.into() },
            Effect::Write { file, chunk } => Effect::Write { file, chunk },
            Effect::Sync { file, note, because } => Effect::Sync { file, note: note.into(), because },
            Effect::Rename { from, to } => Effect::Rename { from, to },
            Effect::Remove { file } => Effect::Remove { file },
            Effect::Fact(fact) => Effect::Fact(fact.into()),
        }));
    }

    pub fn drain(&mut self) -> std::vec::Drain<'_, Effect<M, T, F>> {
        self.effects.drain(..)
    }

    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }
}

/// One thing that happens to one host.
#[derive(Clone, Debug)]
pub enum Occurrence<M, T> {
    Delivered { to: HostId, from: HostId, message: Arc<M> },
    Woken { host: HostId, note: T },
}

#[derive(Clone, Debug, Hash)]
enum Due<T> {
    Arrival(PacketId),
    Wake {
        host: HostId,
        boot: u32,
        note: T,
        cause: EventId,
    },
    /// Rare and large, where small things are moved about.
    Synced(Box<Synced<T>>),
}

#[derive(Clone, Debug, Hash)]
struct Synced<T> {
    host: HostId,
    boot: u32,
    file: FileName,
    upto: u64,
    note: T,
    by: Origin,
}

/// Where something comes from: its cause, and the input behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Origin {
    cause: EventId,
    root: EventId,
}

/// A machine as far as physics goes.
#[derive(Clone, Debug, Hash)]
struct Machine {
    powered: bool,
    /// Counts its starts: timers and disk operations of an earlier life are void.
    boot: u32,
    disk: Disk,
}

/// The world without its inhabitants.
#[derive(Clone, Debug)]
pub struct Sim<M, T, F> {
    now: SimTime,
    steps: u64,
    last_event: u64,
    /// The event under which effects are being performed, and its record if nothing has followed from it yet: an
    /// occurrence that leads to nothing (most ticks) leaves no trace.
    current: EventId,
    root: EventId,
    /// What a host named last as an earlier cause.
    named: Origin,
    /// Messages in flight and disk operations under way that go back to an input.
    rooted: u32,
    unrecorded: Option<TraceEvent<M, T, F>>,
    schedule: Schedule<Due<T>>,
    network: Network<M>,
    machines: Vec<Machine>,
    trace: Trace<M, T, F>,
}

impl<M: Clone, T: Clone, F: Clone> Sim<M, T, F> {
    /// A world of powered machines, one per disk profile, joined by links like `link`.
    pub fn new(seed: u64, link: Link, disks: &[DiskProfile]) -> Self {
        let machine = |(index, profile): (usize, &DiskProfile)| Machine {
            powered: true,
            boot: 0,
            disk: Disk::new(*profile, Prng::stream(seed, &format!("disk {index}"))),
        };
        Sim {
            now: SimTime::ZERO,
            steps: 0,
            last_event: 0,
            current: EventId::NONE,
            root: EventId::NONE,
            named: Origin { cause: EventId::NONE, root: EventId::NONE },
            rooted: 0,
            unrecorded: None,
            schedule: Schedule::default(),
            network: Network::new(link, Prng::stream(seed, "network")),
            machines: disks.iter().enumerate().map(machine).collect(),
            trace: Trace::new(),
        }
    }

    pub fn now(&self) -> SimTime {
        self.now
    }

    /// How many occurrences have been handed out.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// When the next occurrence is due.
    pub fn next_at(&self) -> Option<SimTime> {
        self.schedule.next_at()
    }

    pub fn network(&self) -> &Network<M> {
        &self.network
    }

    pub fn disk(&self, host: HostId) -> &Disk {
        &self.machines[usize::from(host.0)].disk
    }

    /// For repairs at start-up; a running host writes through its [`Outbox`].
    pub fn disk_mut(&mut self, host: HostId) -> &mut Disk {
        &mut self.machines[usize::from(host.0)].disk
    }

    /// Whether there is such a machine.
    pub fn has(&self, host: HostId) -> bool {
        usize::from(host.0) < self.machines.len()
    }

    /// A machine that there is not has no power.
    pub fn powered(&self, host: HostId) -> bool {
        self.machines.get(usize::from(host.0)).is_some_and(|machine| machine.powered)
    }

    pub fn trace(&self) -> &Trace<M, T, F> {
        &self.trace
    }

    /// The event now being handled.
    pub fn current(&self) -> EventId {
        self.current
    }

    /// How many messages in flight and disk operations under way go back to something that the learner did.
    pub fn rooted(&self) -> u32 {
        self.rooted
    }

    /// Lets time pass without anything happening. Never past what is due, never back.
    pub fn advance_to(&mut self, at: SimTime) {
        assert!(self.next_at().is_none_or(|next| next >= at), "time may not pass over what is due");
        self.now = self.now.max(at);
    }

    /// Takes the next occurrence. `None`: something was due but nobody is there to notice (a lost message, a timer of a
    /// machine without power), or nothing is due at all.
    pub fn step(&mut self) -> Option<Occurrence<M, T>> {
        let (at, due) = self.schedule.pop()?;
        assert!(at >= self.now, "the schedule runs forward");
        self.now = at;
        self.steps += 1;
        match due {
            Due::Arrival(packet) => self.arrive(packet),
            // A chain of causes goes back over a timer, but what the learner did does not explain it any more.
            Due::Wake { host, boot, note, cause } => self.wake(host, boot, note, Origin { cause, root: EventId::NONE }),
            Due::Synced(synced) => {
                let Synced { host, boot, file, upto, note, by } = *synced;
                self.settle(by.root);
                let machine = &mut self.machines[usize::from(host.0)];
                if machine.boot != boot {
                    return None;
                }
                machine.disk.synced(file, upto);
                self.wake(host, boot, note, by)
            }
        }
    }

    fn wake(&mut self, host: HostId, boot: u32, note: T, by: Origin) -> Option<Occurrence<M, T>> {
        let machine = &self.machines[usize::from(host.0)];
        if !machine.powered || machine.boot != boot {
            return None;
        }
        self.begin(host, by, What::Woken(note.clone()));
        Some(Occurrence::Woken { host, note })
    }

    fn arrive(&mut self, id: PacketId) -> Option<Occurrence<M, T>> {
        let packet = self.network.in_flight.remove(&id)?;
        self.settle(packet.root);
        let why = if self.network.link(packet.from, packet.to).cut {
            Some(Loss::Cut)
        } else if !self.powered(packet.to) {
            Some(Loss::PoweredOff)
        } else {
            None
        };
        if let Some(why) = why {
            self.record_loss(&packet, why);
            return None;
        }
        let by = packet.origin();
        let Packet { from, to, message, .. } = packet;
        self.begin(to, by, What::Delivered { packet: id, from, message: message.clone() });
        Some(Occurrence::Delivered { to, from, message })
    }

    fn record_loss(&mut self, packet: &Packet<M>, why: Loss) {
        self.begin(packet.from, packet.origin(), What::Lost { packet: packet.id, to: packet.to, why });
        self.record();
    }

    /// Starts a new event: what is performed from now on follows from it.
    fn begin(&mut self, host: HostId, by: Origin, what: What<M, T, F>) {
        self.last_event += 1;
        self.current = EventId(self.last_event);
        self.root = by.root;
        self.unrecorded =
            Some(TraceEvent { id: self.current, cause: by.cause, root: by.root, at: self.now, host, what });
    }

    /// What the effects of the current event come from, unless the host names an earlier one.
    fn origin(&mut self, because: Option<EventId>) -> Origin {
        let Some(cause) = because.filter(|event| *event != self.current) else {
            return Origin { cause: self.current, root: self.root };
        };
        // The same event is named for everything that a batch leads to.
        if self.named.cause != cause {
            self.named = Origin { cause, root: self.trace.get(cause).map_or(EventId::NONE, |event| event.root) };
        }
        self.named
    }

    fn launched(&mut self, root: EventId) {
        self.rooted += u32::from(root != EventId::NONE);
    }

    fn settle(&mut self, root: EventId) {
        self.rooted -= u32::from(root != EventId::NONE);
    }

    fn record(&mut self) {
        if let Some(event) = self.unrecorded.take() {
            self.trace.push(event);
        }
    }

    /// Records something that follows from the current event, and returns its id.
    fn follow(&mut self, host: HostId, by: Origin, what: What<M, T, F>) -> EventId {
        self.record();
        self.last_event += 1;
        let id = EventId(self.last_event);
        self.trace.push(TraceEvent { id, cause: by.cause, root: by.root, at: self.now, host, what });
        id
    }

    /// The learner acts: a new event without a cause inside the world.
    pub fn begin_input(&mut self, host: HostId, input: u32) -> EventId {
        let id = EventId(self.last_event + 1);
        self.begin(host, Origin { cause: EventId::NONE, root: id }, What::Input(input));
        self.record();
        self.current
    }

    /// Records a fact about a host as an effect of the current event.
    pub fn fact(&mut self, host: HostId, fact: F) -> EventId {
        let origin = self.origin(None);
        self.follow(host, origin, What::Fact(fact))
    }

    /// Whether there is room for an effect. If not, it is a write, and whoever asked for it has to hear that it failed.
    pub fn has_room<T2, F2>(&self, host: HostId, effect: &Effect<M, T2, F2>) -> bool {
        !(matches!(effect, Effect::Write { .. }) && self.disk(host).full)
    }

    /// Carries out one effect of a host. Returns the id of the event that it became, if it is kept in the trace.
    pub fn perform<T2: Into<T>, F2: Into<F>>(&mut self, host: HostId, effect: Effect<M, T2, F2>) -> EventId {
        match effect {
            Effect::Send { to, message, bytes, delivery, because } => {
                let origin = self.origin(because);
                self.send(host, to, message, bytes, delivery, origin)
            }
            Effect::Wake { after, note } => {
                let boot = self.machines[usize::from(host.0)].boot;
                let due = Due::Wake { host, boot, note: note.into(), cause: self.current };
                self.schedule.insert(self.now + after, due);
                self.current
            }
            Effect::Write { file, chunk } => {
                assert!(!self.disk(host).full, "a write without room fails");
                self.machines[usize::from(host.0)].disk.append(file, chunk);
                self.current
            }
            Effect::Sync { file, note, because } => {
                let origin = self.origin(because);
                let machine = &mut self.machines[usize::from(host.0)];
                let boot = machine.boot;
                let (upto, done, bytes) = machine.disk.begin_sync(file, self.now);
                let cause = self.follow(host, origin, What::Syncing { file, bytes, done });
                let by = Origin { cause, ..origin };
                self.launched(by.root);
                let synced = Synced { host, boot, file, upto, note: note.into(), by };
                self.schedule.insert(done, Due::Synced(Box::new(synced)));
                cause
            }
            Effect::Rename { from, to } => {
                self.machines[usize::from(host.0)].disk.rename(from, to);
                self.current
            }
            Effect::Remove { file } => {
                self.machines[usize::from(host.0)].disk.remove(file);
                self.current
            }
            Effect::Fact(fact) => self.fact(host, fact.into()),
        }
    }

    fn send(
        &mut self,
        from: HostId,
        to: HostId,
        message: Arc<M>,
        bytes: u32,
        delivery: Delivery,
        by: Origin,
    ) -> EventId {
        match self.network.fate(self.now, from, to, bytes, delivery) {
            Fate::Arrives(at) => self.launch(from, to, at, bytes, message, by),
            Fate::Twice(first, second) => {
                let sent = self.launch(from, to, first, bytes, message.clone(), by);
                self.launch(from, to, second, bytes, message, Origin { cause: sent, ..by });
                sent
            }
            Fate::Lost => {
                self.record();
                let packet = PacketId(self.last_event + 1);
                let sent = self.follow(from, by, What::Sent { packet, to, arrives: self.now, message });
                self.follow(from, Origin { cause: sent, ..by }, What::Lost { packet, to, why: Loss::Link });
                sent
            }
        }
    }

    /// Puts a message onto the wire. A packet is named by the event that sent it.
    fn launch(
        &mut self,
        from: HostId,
        to: HostId,
        arrives: SimTime,
        bytes: u32,
        message: Arc<M>,
        by: Origin,
    ) -> EventId {
        self.record();
        let id = PacketId(self.last_event + 1);
        let cause = self.follow(from, by, What::Sent { packet: id, to, arrives, message: message.clone() });
        let slot = self.schedule.insert(arrives, Due::Arrival(id));
        let root = by.root;
        self.launched(root);
        let packet = Packet { id, from, to, sent: self.now, arrives, bytes, message, slot, cause, root };
        self.network.in_flight.insert(id, packet);
        cause
    }

    /// The physical part of a fault: power, wires, disks. The owner of the hosts starts and ends their programs.
    pub fn inflict(&mut self, fault: Fault) {
        match fault {
            Fault::PowerOff { host } | Fault::Tear { host } => {
                let now = self.now;
                let machine = &mut self.machines[usize::from(host.0)];
                if machine.powered {
                    machine.powered = false;
                    machine.boot += 1;
                    machine.disk.crash(now);
                }
            }
            Fault::PowerOn { host } => self.machines[usize::from(host.0)].powered = true,
            // What runs on a machine and what its files mean is their owner's matter.
            Fault::Start { .. } | Fault::Damage { .. } => {}
            Fault::Restart { host } | Fault::Kill { host } => {
                let machine = &mut self.machines[usize::from(host.0)];
                if machine.powered {
                    machine.boot += 1;
                    machine.disk.flush();
                }
            }
            Fault::Wipe { host } | Fault::Join { host } => {
                let machine = &mut self.machines[usize::from(host.0)];
                machine.boot += u32::from(machine.powered);
                machine.disk.wipe();
            }
            Fault::Cut { from, to, one_way } => self.links_between(from, to, one_way, |link| link.cut = true),
            Fault::Heal { from, to } => self.links_between(from, to, false, |link| link.cut = false),
            Fault::HealAll => self.network.heal_all(),
            Fault::Latency { from, to, latency, jitter } => self.links_between(from, to, false, |link| {
                link.latency = latency;
                link.jitter = jitter;
            }),
            Fault::Loss { from, to, chance } => self.links_between(from, to, false, |link| link.loss = chance),
            Fault::Duplicate { from, to, chance } => {
                self.links_between(from, to, false, |link| link.duplicate = chance)
            }
            Fault::Reorder { from, to, chance } => self.links_between(from, to, false, |link| link.reorder = chance),
            Fault::SlowDisk { host, factor } => self.machines[usize::from(host.0)].disk.factor = factor.max(1),
            Fault::FullDisk { host } => self.machines[usize::from(host.0)].disk.full = true,
            Fault::FreeDisk { host } => self.machines[usize::from(host.0)].disk.full = false,
            Fault::Drop { packet } => {
                if let Some(packet) = self.network.in_flight.remove(&packet) {
                    self.schedule.remove(packet.slot);
                    self.settle(packet.root);
                    let lost = What::Lost { packet: packet.id, to: packet.to, why: Loss::Dropped };
                    let origin = self.origin(None);
                    self.follow(packet.from, origin, lost);
                }
            }
        }
    }

    fn links_between(&mut self, from: HostId, to: HostId, one_way: bool, change: impl Fn(&mut Link)) {
        change(self.network.link_mut(from, to));
        if !one_way {
            change(self.network.link_mut(to, from));
        }
    }
}

impl<M> Packet<M> {
    fn origin(&self) -> Origin {
        Origin { cause: self.cause, root: self.root }
    }
}

impl<M: Hash, T: Hash, F> Hash for Sim<M, T, F> {
    /// Everything that the future depends on. The trace tells the past and is left out; `last_event` stands for its length.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.now.hash(state);
        self.steps.hash(state);
        self.last_event.hash(state);
        self.schedule.hash(state);
        self.network.hash(state);
        self.machines.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::sim::Ppm;

    type World = Sim<&'static str, &'static str, &'static str>;
    type Box = Outbox<&'static str, &'static str, &'static str>;

    const A: HostId = HostId(0);
    const B: HostId = HostId(1);

    fn world() -> World {
        Sim::new(1, Link::RACK, &[DiskProfile::SSD, DiskProfile::SSD])
    }

    fn perform(world: &mut World, host: HostId, fill: impl FnOnce(&mut Box)) {
        let mut outbox = Box::default();
        fill(&mut outbox);
        for effect in outbox.drain() {
            world.perform(host, effect);
        }
    }

    #[test]
    fn a_message_travels_for_its_latency_and_names_its_cause() {
        let mut world = world();
        let input = world.begin_input(A, 0);
        perform(&mut world, A, |out| out.send(B, "hello", 100, Delivery::Datagram));
        assert!(matches!(world.step(), Some(Occurrence::Delivered { to: B, from: A, .. })));
        assert!((500..=600).contains(&world.now().0), "{}", world.now());
        let sent = world.trace().iter().find(|event| matches!(event.what, What::Sent { .. })).unwrap();
        assert_eq!(sent.cause, input);
    }

    #[test]
    fn a_cut_takes_one_way_or_both() {
        for one_way in [true, false] {
            let mut world = world();
            world.inflict(Fault::Cut { from: A, to: B, one_way });
            perform(&mut world, A, |out| out.send(B, "there", 0, Delivery::Stream));
            perform(&mut world, B, |out| out.send(A, "back", 0, Delivery::Stream));
            let arrived = std::iter::from_fn(|| (world.next_at().is_some()).then(|| world.step())).flatten().count();
            assert_eq!(arrived, usize::from(one_way));
        }
    }

    #[test]
    fn a_power_cut_voids_timers_and_unsynced_writes() {
        let mut world = world();
        perform(&mut world, A, |out| {
            out.write("wal", Bytes::from_static(b"x"));
            out.sync("wal", "synced", None);
            out.wake(Micros(10), "timer");
        });
        world.inflict(Fault::PowerOff { host: A });
        world.inflict(Fault::PowerOn { host: A });
        assert!(world.step().is_none());
        assert!(world.step().is_none());
        assert_eq!(world.disk(A).file("wal").unwrap().synced(), 0);
    }

    #[test]
    fn what_leads_to_nothing_leaves_no_trace() {
        let mut world = world();
        perform(&mut world, A, |out| out.wake(Micros(10), "tick"));
        assert!(world.step().is_some());
        assert_eq!(world.trace().iter().count(), 0);
        perform(&mut world, A, |out| out.fact("it mattered"));
        assert_eq!(world.trace().iter().count(), 2);
    }

    #[test]
    fn a_stream_is_late_where_a_datagram_is_lost() {
        let mut world = world();
        world.inflict(Fault::Loss { from: A, to: B, chance: Ppm(600_000) });
        for _ in 0..50 {
            perform(&mut world, A, |out| out.send(B, "s", 0, Delivery::Stream));
            perform(&mut world, A, |out| out.send(B, "d", 0, Delivery::Datagram));
        }
        let mut arrived = Vec::new();
        while world.next_at().is_some() {
            if let Some(Occurrence::Delivered { message, .. }) = world.step() {
                arrived.push(*message);
            }
        }
        let streams = arrived.iter().filter(|message| **message == "s").count();
        assert!(streams >= 48, "{streams} of 50 stream messages");
        assert!(arrived.len() - streams < 35, "{} of 50 datagrams", arrived.len() - streams);
    }
}
