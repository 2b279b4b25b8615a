//! The queues of one level, and who is next: fair queuing in virtual time.
//!
//! All queues together advance a meter of progress, R, by the seats that each would get if all got the same. A queue whose
//! work so far is furthest behind it goes first. What a request will take is guessed when it goes, and set right when it ends.
//!
//! Upstream: `k8s.io/apiserver/pkg/util/flowcontrol/fairqueuing/queueset`, `.../util/shufflesharding`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::borrowing::{Demand, Seats};
use super::{Arrival, Finished, LevelView, Rejection, RequestId, Work};

/// What a level does with whom it has no seat for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// It has seats for everybody.
    Exempt,
    Reject,
    Queue(Queuing),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Queuing {
    pub queues: usize,
    pub hand_size: usize,
    pub length_limit: usize,
}

/// Work in seats times time, in units of ten nanoseconds of a seat, as upstream counts it.
type SeatTime = i128;

/// How long a request is guessed to take.
const ESTIMATE: Duration = Duration::from_millis(3);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct QueueSet {
    kind: Kind,
    limit: Option<u32>,
    /// Only those that anybody waits in or holds seats of: an empty one has no memory.
    queues: BTreeMap<usize, Queue>,
    requests: BTreeMap<RequestId, Request>,
    /// R
    progress: SeatTime,
    last_change: Duration,
    /// The queue that was served last.
    robin: usize,
    enqueued: usize,
    waiting: usize,
    executing: usize,
    seats_in_use: u32,
    seats_waiting: u32,
    demand: Demand,
    dispatched: u64,
    rejected: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Queue {
    waiting: VecDeque<RequestId>,
    executing: usize,
    seats_in_use: u32,
    seats_waiting: u32,
    work_waiting: SeatTime,
    /// R at which its next request begins in the virtual world.
    next_dispatch: SeatTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Request {
    work: Work,
    queue: Option<usize>,
    arrival: SeatTime,
    started: Option<Duration>,
    is_finished: bool,
}

impl Work {
    fn max_seats(&self) -> u32 {
        self.initial_seats.max(self.final_seats)
    }

    fn total(&self) -> SeatTime {
        seat_time(self.initial_seats, ESTIMATE) + seat_time(self.final_seats, self.additional_latency)
    }
}

impl Queue {
    fn is_active(&self) -> bool {
        !self.waiting.is_empty() || self.executing > 0
    }
}

impl QueueSet {
    pub fn new(kind: Kind, now: Duration) -> QueueSet {
        QueueSet {
            kind,
            limit: None,
            queues: BTreeMap::new(),
            requests: BTreeMap::new(),
            progress: 0,
            last_change: now,
            robin: 0,
            enqueued: 0,
            waiting: 0,
            executing: 0,
            seats_in_use: 0,
            seats_waiting: 0,
            demand: Demand::new(now),
            dispatched: 0,
            rejected: 0,
        }
    }

    pub fn set_kind(&mut self, kind: Kind) {
        self.kind = kind;
    }

    pub fn limit(&self) -> Option<u32> {
        self.limit
    }

    pub fn set_limit(&mut self, limit: u32, now: Duration) {
        self.advance(now);
        self.limit = Some(limit);
    }

    pub fn is_exempt(&self) -> bool {
        self.kind == Kind::Exempt
    }

    pub fn is_idle(&self) -> bool {
        self.requests.is_empty()
    }

    pub fn queue_count(&self) -> usize {
        match &self.kind {
            Kind::Queue(queuing) => queuing.queues,
            _ => 0,
        }
    }

    /// The most seats that were wanted since the last time, and how many are wanted in the long run.
    pub fn take_demand(&mut self, now: Duration) -> (Seats, Seats) {
        self.demand.take(now)
    }

    /// Also tells who may go on because of it; perhaps the request itself.
    pub fn arrive(&mut self, id: RequestId, hash: u64, work: Work, now: Duration) -> (Arrival, Vec<RequestId>) {
        self.advance(now);
        let Kind::Queue(queuing) = self.kind.clone() else {
            if !self.has_room_for(work.max_seats()) {
                self.rejected += 1;
                return (Arrival::Rejected(Rejection::ConcurrencyLimit), Vec::new());
            }
            let request = Request { work, queue: None, arrival: self.progress, started: None, is_finished: false };
            self.requests.insert(id, request);
            self.start(id, now);
            return (Arrival::Executing, vec![id]);
        };
        let place = self.choose_queue(&queuing, hash);
        let length = self.queues.get(&place).map_or(0, |queue| queue.waiting.len());
        if self.seats_in_use >= self.limit.unwrap_or(0) && length >= queuing.length_limit {
            self.rejected += 1;
            return (Arrival::Rejected(Rejection::QueueFull), Vec::new());
        }
        self.enqueue(id, place, work, now);
        let dispatched = self.dispatch(now);
        let state = if dispatched.contains(&id) { Arrival::Executing } else { Arrival::Queued };
        (state, dispatched)
    }

    /// Lets go on who can.
    pub fn dispatch(&mut self, now: Duration) -> Vec<RequestId> {
        self.advance(now);
        let mut dispatched = Vec::new();
        while self.waiting > 0 && self.seats_in_use < self.limit.unwrap_or(0) {
            let Some(id) = self.dispatch_one(now) else { break };
            dispatched.push(id);
        }
        dispatched
    }

    pub fn finished(&mut self, id: RequestId, now: Duration) -> Finished {
        self.advance(now);
        let Some(request) = self.requests.get_mut(&id) else { return Finished::default() };
        let Some(started) = request.started.filter(|_| !request.is_finished) else { return Finished::default() };
        request.is_finished = true;
        let (work, place) = (request.work, request.queue);
        self.executing -= 1;
        if let Some((place, queue)) = place.and_then(|place| Some((place, self.queues.get_mut(&place)?))) {
            queue.executing -= 1;
            // What was guessed is taken back, and what it took is counted.
            let took = seat_time(work.initial_seats, now.saturating_sub(started));
            queue.next_dispatch += took - seat_time(work.initial_seats, ESTIMATE);
            self.bound_next_dispatch(place);
        }
        if work.additional_latency > Duration::ZERO {
            return Finished { dispatched: Vec::new(), release_at: Some(now + work.additional_latency) };
        }
        Finished { dispatched: self.released(id, now), release_at: None }
    }

    pub fn released(&mut self, id: RequestId, now: Duration) -> Vec<RequestId> {
        self.advance(now);
        if !self.requests.get(&id).is_some_and(|request| request.is_finished) {
            return Vec::new();
        }
        let Some(request) = self.requests.remove(&id) else { return Vec::new() };
        let seats = request.work.max_seats();
        self.seats_in_use -= seats;
        if let Some(place) = request.queue {
            if let Some(queue) = self.queues.get_mut(&place) {
                queue.seats_in_use -= seats;
            }
            self.drop_if_empty(place);
        }
        self.note_demand(now);
        self.dispatch(now)
    }

    /// True if it was waiting.
    pub fn give_up(&mut self, id: RequestId, now: Duration) -> bool {
        self.advance(now);
        let is_waiting = self.requests.get(&id).is_some_and(|request| request.started.is_none());
        let Some(request) = is_waiting.then(|| self.requests.remove(&id)).flatten() else { return false };
        if let Some(place) = request.queue {
            self.leave_queue(id, place, &request.work);
            self.bound_next_dispatch(place);
            self.drop_if_empty(place);
        }
        self.rejected += 1;
        self.note_demand(now);
        true
    }

    pub fn view(&self, name: &str, nominal_limit: u32) -> LevelView {
        let queues = self.queues.iter().map(|(place, queue)| (*place, queue.waiting.len(), queue.seats_in_use));
        LevelView {
            name: name.to_owned(),
            is_exempt: self.is_exempt(),
            nominal_limit,
            current_limit: self.limit.unwrap_or_default(),
            seats_in_use: self.seats_in_use,
            executing: self.executing,
            waiting: self.waiting,
            queues: queues.collect(),
            dispatched: self.dispatched,
            rejected: self.rejected,
        }
    }

    /// Brings the meter of progress up to now; nothing has changed since.
    fn advance(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.last_change);
        self.last_change = self.last_change.max(now);
        let active = self.queues.values().filter(|queue| queue.is_active()).count();
        if active == 0 {
            return;
        }
        let wanted: u64 = self.queues.values().map(|queue| u64::from(queue.seats_in_use + queue.seats_waiting)).sum();
        let seats = i128::from(wanted.min(u64::from(self.limit.unwrap_or(0))));
        let nanos = i128::try_from(passed.as_nanos()).unwrap_or(i128::MAX / 1_000_000);
        self.progress += rounded(seats * nanos, 10 * i128::try_from(active).unwrap_or(1));
    }

    /// The least busy of the queues that are dealt to a flow.
    fn choose_queue(&mut self, queuing: &Queuing, hash: u64) -> usize {
        let hand = deal(hash, queuing.queues, queuing.hand_size);
        let offset = self.enqueued % hand.len();
        self.enqueued += 1;
        let in_turn = (0..hand.len()).map(|place| hand[(offset + place) % hand.len()]);
        let work = |place: &usize| self.queues.get(place).map_or(0, |queue| queue.work_waiting);
        in_turn.min_by_key(work).unwrap_or(0)
    }

    fn enqueue(&mut self, id: RequestId, place: usize, work: Work, now: Duration) {
        let queue = self.queues.entry(place).or_default();
        if !queue.is_active() {
            queue.next_dispatch = self.progress;
        }
        queue.waiting.push_back(id);
        queue.seats_waiting += work.max_seats();
        queue.work_waiting += work.total();
        self.waiting += 1;
        self.seats_waiting += work.max_seats();
        let request = Request { work, queue: Some(place), arrival: self.progress, started: None, is_finished: false };
        self.requests.insert(id, request);
        self.bound_next_dispatch(place);
        self.note_demand(now);
    }

    fn leave_queue(&mut self, id: RequestId, place: usize, work: &Work) {
        if let Some(queue) = self.queues.get_mut(&place) {
            queue.waiting.retain(|own| *own != id);
            queue.seats_waiting -= work.max_seats();
            queue.work_waiting -= work.total();
        }
        self.waiting -= 1;
        self.seats_waiting -= work.max_seats();
    }

    fn dispatch_one(&mut self, now: Duration) -> Option<RequestId> {
        let (place, id) = self.next()?;
        let work = self.requests.get(&id)?.work;
        if !self.has_room_for(work.max_seats()) {
            return None;
        }
        self.leave_queue(id, place, &work);
        self.robin = place;
        let limit = self.limit.unwrap_or(0).max(1);
        if let Some(request) = self.requests.get_mut(&id).filter(|_| work.final_seats > limit) {
            // The same work with the seats that there are takes longer.
            let nanos = work.additional_latency.as_nanos() * u128::from(work.final_seats) / u128::from(limit);
            request.work.final_seats = limit;
            request.work.additional_latency = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        }
        self.start(id, now);
        if let Some(queue) = self.queues.get_mut(&place) {
            queue.next_dispatch += work.total();
        }
        self.bound_next_dispatch(place);
        Some(id)
    }

    /// The oldest request of the queue that would be served first in the virtual world; of equals the next in turn.
    fn next(&self) -> Option<(usize, RequestId)> {
        let count = self.queue_count().max(self.queues.keys().next_back().map_or(1, |last| last + 1));
        let turn = |place: usize| (place + count - (self.robin % count) - 1) % count;
        let heads = self.queues.iter().filter_map(|(place, queue)| {
            let head = *queue.waiting.front()?;
            let finish = queue.next_dispatch + self.requests.get(&head)?.work.total();
            Some((finish, turn(*place), *place, head))
        });
        heads.min().map(|(_, _, place, head)| (place, head))
    }

    fn start(&mut self, id: RequestId, now: Duration) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        request.started = Some(now);
        let seats = request.work.max_seats();
        if let Some(queue) = request.queue.and_then(|place| self.queues.get_mut(&place)) {
            queue.executing += 1;
            queue.seats_in_use += seats;
        }
        self.executing += 1;
        self.seats_in_use += seats;
        self.dispatched += 1;
        self.note_demand(now);
    }

    fn has_room_for(&self, seats: u32) -> bool {
        let limit = self.limit.unwrap_or(0);
        match self.kind {
            Kind::Exempt => true,
            // Who needs more seats than there are goes alone.
            _ if seats > limit => self.executing == 0,
            _ => self.seats_in_use + seats <= limit,
        }
    }

    /// No request begins before it arrived, else a queue that was slow for long would have everything for itself.
    fn bound_next_dispatch(&mut self, place: usize) {
        let Some(queue) = self.queues.get_mut(&place) else { return };
        let head = queue.waiting.front().and_then(|head| self.requests.get(head));
        if let Some(head) = head {
            queue.next_dispatch = queue.next_dispatch.max(head.arrival);
        }
    }

    fn drop_if_empty(&mut self, place: usize) {
        if self.queues.get(&place).is_some_and(|queue| !queue.is_active() && queue.seats_in_use == 0) {
            self.queues.remove(&place);
        }
    }

    fn note_demand(&mut self, now: Duration) {
        self.demand.set(self.seats_in_use + self.seats_waiting, now);
    }
}

/// A hand of different queues for a hash.
pub(super) fn deal(mut hash: u64, queues: usize, hand_size: usize) -> Vec<usize> {
    let hand_size = hand_size.clamp(1, queues.max(1));
    let mut remainders: Vec<usize> = Vec::new();
    for dealt in 0..hand_size {
        let left = (queues.max(1) - dealt) as u64;
        remainders.push(usize::try_from(hash % left).unwrap_or(0));
        hash /= left;
    }
    let mut hand: Vec<usize> = Vec::new();
    for place in 0..hand_size {
        let mut card = remainders[place];
        for before in remainders[..place].iter().rev() {
            if card >= *before {
                card += 1;
            }
        }
        hand.push(card);
    }
    hand
}

fn seat_time(seats: u32, time: Duration) -> SeatTime {
    rounded(i128::from(seats) * i128::try_from(time.as_nanos()).unwrap_or(i128::MAX >> 40), 10)
}

/// To the nearest, half up.
fn rounded(number: i128, by: i128) -> i128 {
    (2 * number + by).div_euclid(2 * by)
}
