//! The requests of API servers, stage by stage: what each stage decided and why, what it cost, how long it was waited for.
//!
//! [`Requests`] follows the trace: each event is looked at once, and so many requests are kept. What a request passes at
//! this moment is asked of its server.

use super::{lanes, watches, words};
use crate::etcd::Wire;
use crate::etcd::wire::Frame;
use crate::k8s::apiserver::Fact;
use crate::k8s::apiserver::work::{Caller, RequestId, Stage};
use crate::lab::{self, Lab, Note, TraceEvent};
use crate::sim::trace::What;
use crate::sim::{EventId, HostId, Micros, SimTime};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Requests that are kept, the oldest go first.
const KEPT: usize = 600;
/// Rows that are made at most.
const ROWS_MAX: usize = 120;
/// Events that are followed back from a request to the command behind it.
const LINKS_MAX: usize = 60;
/// Stages of one request that are kept: who loses a race for a key begins anew, again and again.
const STEPS_MAX: usize = 64;

#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// The last event that was looked at: a trace that does not hold it is another one.
    last: Option<(EventId, EventId, SimTime, HostId)>,
    /// How many were let go.
    forgotten: usize,
    all: VecDeque<Request>,
    /// Those without an answer, by their number among all that there ever were.
    open: BTreeMap<(HostId, RequestId), usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub server: HostId,
    pub id: RequestId,
    /// That it came. Names it.
    pub event: EventId,
    pub at: SimTime,
    pub caller: Caller,
    /// The terminal in which the command was given that it goes back to.
    pub terminal: Option<u8>,
    pub verb: String,
    pub path: String,
    pub steps: Vec<Step>,
    pub end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    UnderWay,
    Answered {
        at: SimTime,
        status: u16,
        event: EventId,
    },
    /// Whoever asked hung up, or the server died.
    Gone,
}

/// A stage that was passed, or a question to etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `None`: etcd.
    pub stage: Option<Stage>,
    pub from: SimTime,
    /// `None` while it lasts.
    pub until: Option<SimTime>,
    /// Of a processor's time.
    pub cost: Micros,
    pub said: Arc<str>,
    pub refused: bool,
    pub event: EventId,
}

impl Requests {
    /// Takes in what the trace has gained, or begins anew if it is another branch's.
    pub fn follow(&mut self, lab: &Lab) {
        let trace = lab.sim().trace();
        let after = match self.last {
            Some(last) if trace.get(last.0).is_some_and(|event| stamp(event) == last) => last.0,
            _ => {
                *self = Requests::default();
                EventId::NONE
            }
        };
        for event in trace.after(after) {
            if let What::Fact(lab::Fact::ApiServer(fact)) = &event.what {
                self.take(lab, event, fact);
            }
        }
        self.last = trace.iter().next_back().map(stamp);
    }

    fn take(&mut self, lab: &Lab, event: &TraceEvent, fact: &Fact) {
        let (at, server) = (event.at, event.host);
        match fact {
            // A new process knows nothing of what the last one was asked.
            Fact::Started => {
                let lost: Vec<_> = self.open.range((server, RequestId(0))..).map(|(key, _)| *key).collect();
                for key in lost.into_iter().filter(|(host, _)| *host == server) {
                    self.close(key, End::Gone);
                }
            }
            Fact::Asked { request, caller, verb, path } => self.push(Request {
                server,
                id: *request,
                event: event.id,
                at,
                caller: *caller,
                terminal: matches!(caller, Caller::Stream { .. }).then(|| self.terminal_behind(lab, event)).flatten(),
                verb: verb.to_string(),
                path: path.to_string(),
                steps: Vec::new(),
                end: End::UnderWay,
            }),
            Fact::Passed { request, stage, cost, said, refused } => {
                let (said, refused) = (said.clone(), *refused);
                let step = Step {
                    stage: Some(*stage),
                    from: at,
                    until: Some(at),
                    cost: *cost,
                    said,
                    refused,
                    event: event.id,
                };
                self.step(server, *request, step);
            }
            Fact::AskedEtcd { request } => {
                let (said, cost) = ("".into(), Micros(0));
                let step = Step { stage: None, from: at, until: None, cost, said, refused: false, event: event.id };
                self.step(server, *request, step);
            }
            Fact::EtcdTold { request, failed } => {
                let Some(step) = self.find(server, *request).and_then(|request| request.steps.last_mut()) else {
                    return;
                };
                (step.until, step.refused) = (Some(at), *failed);
            }
            Fact::Answered { request, status } => {
                self.close((server, *request), End::Answered { at, status: *status, event: event.id });
            }
            Fact::Cached { .. } | Fact::Etcd(_) => {}
        }
    }

    /// The terminal of the command that led to a request: over its connection back to what was typed, to a timer of the
    /// program, or to an answer that the program had before.
    fn terminal_behind(&self, lab: &Lab, asked: &TraceEvent) -> Option<u8> {
        let station = lab.workstation().host();
        let mut at = asked;
        for _ in 0..LINKS_MAX {
            match &at.what {
                What::Input(_) => return lanes::terminal_of(lab, at.id),
                What::Woken(Note::Timer(timer)) => return Some(timer.terminal),
                What::Delivered { message, .. } if at.host == station => {
                    if let Wire::Client { conn, frame: Frame::Http(_), .. } = message.as_ref() {
                        let is_it = |caller: Caller| matches!(caller, Caller::Stream { conn: of, .. } if of == *conn);
                        return self.newest().find(|request| is_it(request.caller))?.terminal;
                    }
                }
                _ => {}
            }
            at = lab.event(at.cause)?;
        }
        None
    }

    fn push(&mut self, request: Request) {
        if self.all.len() == KEPT {
            let gone = self.all.pop_front().map(|gone| (gone.server, gone.id));
            if let Some(key) = gone.filter(|key| self.open.get(key) == Some(&self.forgotten)) {
                self.open.remove(&key);
            }
            self.forgotten += 1;
        }
        self.open.insert((request.server, request.id), self.forgotten + self.all.len());
        self.all.push_back(request);
    }

    fn find(&mut self, server: HostId, id: RequestId) -> Option<&mut Request> {
        let place = *self.open.get(&(server, id))?;
        self.all.get_mut(place - self.forgotten)
    }

    fn step(&mut self, server: HostId, id: RequestId, mut step: Step) {
        let Some(request) = self.find(server, id).filter(|request| request.steps.len() < STEPS_MAX) else { return };
        let before = request.steps.last().and_then(|last| last.until).unwrap_or(request.at);
        step.from = before.min(step.from);
        request.steps.push(step);
    }

    fn close(&mut self, key: (HostId, RequestId), end: End) {
        if let Some(request) = self.find(key.0, key.1) {
            request.end = end;
        }
        self.open.remove(&key);
    }

    /// The request that this event began.
    pub fn get(&self, event: EventId) -> Option<&Request> {
        let place = self.all.binary_search_by(|request| request.event.cmp(&event)).ok()?;
        self.all.get(place)
    }

    /// Newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Request> {
        self.all.iter().rev()
    }
}

fn stamp(event: &TraceEvent) -> (EventId, EventId, SimTime, HostId) {
    (event.id, event.cause, event.at, event.host)
}

impl Request {
    /// It came from outside the server.
    pub fn is_of_client(&self) -> bool {
        matches!(self.caller, Caller::Stream { .. })
    }

    /// Who asked, in a word or two.
    pub fn who(&self, lab: &Lab) -> String {
        match self.caller {
            Caller::Stream { conn, .. } => {
                let typed = self.terminal.map(watches::terminal_name);
                typed.unwrap_or_else(|| watches::client_name(lab, conn.client()))
            }
            Caller::Own(_) => "the server itself".to_owned(),
            Caller::Request(RequestId(id)) => format!("part of request {id}"),
        }
    }

    /// Without a query that nobody reads to its end.
    pub fn short_path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

/// One request in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub event: EventId,
    pub verb: String,
    pub path: String,
    pub who: String,
    pub state: State,
    /// From coming to its answer, or until now.
    pub took: Micros,
    /// Of its time: work by the server, waiting for etcd, other waiting; in thousandths.
    pub shares: [u32; 3],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// What it passes now.
    At(&'static str),
    /// `open`: the answer goes on, as a watch's does.
    Answered {
        status: u16,
        open: bool,
    },
    Gone,
}

/// The requests of one server.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    pub rows: Vec<Row>,
    /// Requests of the server to itself that were left out.
    pub own: usize,
}

/// What of the requests is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub server: HostId,
    /// Those that the server asked of itself as well.
    pub own: bool,
}

impl Rows {
    /// Newest first.
    pub fn of(lab: &Lab, requests: &Requests, ask: Ask) -> Rows {
        let (mut rows, mut own) = (Vec::new(), 0);
        for request in requests.newest().filter(|request| request.server == ask.server) {
            if !ask.own && !request.is_of_client() {
                own += 1;
            } else if rows.len() < ROWS_MAX {
                rows.push(Row::of(lab, request));
            }
        }
        Rows { rows, own }
    }
}

impl Row {
    fn of(lab: &Lab, request: &Request) -> Row {
        let until = match request.end {
            End::Answered { at, .. } => at,
            _ => lab.now(),
        };
        let state = match request.end {
            End::Answered { status, .. } => {
                let server = lab.api_server(request.server);
                State::Answered { status, open: server.is_some_and(|server| server.is_watching(request.id)) }
            }
            End::UnderWay => passing(lab, request).map_or(State::Gone, State::At),
            End::Gone => State::Gone,
        };
        let took = until.since(request.at);
        let etcd: u64 = etcd_waits(request).map(|(from, to)| to.unwrap_or(until).since(from).0).sum();
        let work: u64 = request.steps.iter().map(|step| step.cost.0).sum();
        let share = |part: u64| u32::try_from(part * 1_000 / took.0.max(1)).unwrap_or(1_000).min(1_000);
        let (work, etcd) = (share(work), share(etcd));
        Row {
            event: request.event,
            verb: request.verb.clone(),
            path: request.short_path().to_owned(),
            who: request.who(lab),
            state,
            took,
            shares: [work, etcd, 1_000_u32.saturating_sub(work + etcd)],
        }
    }
}

fn etcd_waits(request: &Request) -> impl Iterator<Item = (SimTime, Option<SimTime>)> {
    request.steps.iter().filter(|step| step.stage.is_none()).map(|step| (step.from, step.until))
}

/// What a request without an answer passes now; nothing if its server does not know it any more.
fn passing(lab: &Lab, request: &Request) -> Option<&'static str> {
    let server = lab.api_server(request.server)?;
    let (_, work) = server.works().find(|(id, _)| *id == request.id)?;
    Some(match work.passing.front() {
        Some(passed) => passed.stage.name(),
        None if request.steps.last().is_some_and(|step| step.until.is_none()) => "etcd",
        None => "waiting",
    })
}

/// All about one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    pub server: String,
    pub who: String,
    pub request: Request,
    pub state: State,
    /// The stage it is in: what it will have said, when its time is spent.
    pub now: Option<Step>,
    pub took: Micros,
}

impl Detail {
    pub fn of(lab: &Lab, requests: &Requests, event: EventId) -> Option<Detail> {
        let request = requests.get(event)?;
        let Row { state, took, who, .. } = Row::of(lab, request);
        let server = lab.api_server(request.server).filter(|_| request.end == End::UnderWay);
        let work = server.and_then(|server| server.works().find(|(id, _)| *id == request.id));
        let now = work.and_then(|(_, work)| work.passing.front()).map(|passed| Step {
            stage: Some(passed.stage),
            from: request.steps.last().and_then(|step| step.until).unwrap_or(request.at),
            until: None,
            cost: passed.cost,
            said: passed.said.clone(),
            refused: passed.refused,
            event: request.event,
        });
        Some(Detail { server: words::host(lab, request.server), who, request: request.clone(), state, now, took })
    }

    /// The stages passed, and the one it is in.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.request.steps.iter().chain(&self.now)
    }
}

impl Step {
    pub fn name(&self) -> &'static str {
        self.stage.map_or("etcd", Stage::name)
    }

    /// From the stage before to the end of this one; nothing while it lasts.
    pub fn took(&self) -> Option<Micros> {
        self.until.map(|until| until.since(self.from))
    }

    /// What it waited for a processor.
    pub fn waited(&self) -> Micros {
        let took = self.took().filter(|_| self.stage.is_some()).unwrap_or_default();
        Micros(took.0.saturating_sub(self.cost.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Input;
    use crate::projection::servers::tests::{run, world};
    use crate::sim::Fault;

    fn followed(lab: &Lab) -> Requests {
        let mut requests = Requests::default();
        requests.follow(lab);
        requests
    }

    fn newest(lab: &Lab, verb: &str) -> Detail {
        let requests = followed(lab);
        let found = requests.newest().find(|request| request.is_of_client() && request.verb == verb);
        Detail::of(lab, &requests, found.expect("it was asked").event).unwrap()
    }

    #[test]
    fn a_create_passes_every_stage_and_its_time_adds_up() {
        let mut lab = world("members=3 apiservers=1");
        run(&mut lab, "kubectl create configmap a --from-literal=b=1", 500);
        let detail = newest(&lab, "create");
        let names: Vec<&str> = detail.steps().map(Step::name).collect();
        let expected = [
            "authentication",
            "priority and fairness",
            "authorization",
            "decoding",
            "mutating admission",
            "validation",
            "validating admission",
            "storage",
            "etcd",
            "encoding",
        ];
        assert_eq!(names, expected);
        assert_eq!(
            (detail.state.clone(), detail.who.as_str()),
            (State::Answered { status: 201, open: false }, "terminal 1")
        );
        assert!(detail.request.steps[0].said.starts_with("kubernetes-admin, by "), "{:?}", detail.request.steps[0]);
        let sum: u64 = detail.steps().map(|step| step.took().unwrap().0).sum();
        assert_eq!(sum, detail.took.0);
        assert!(detail.steps().filter(|step| step.stage.is_some()).all(|step| step.cost.0 > 0));
        let rows = Rows::of(&lab, &followed(&lab), Ask { server: detail.request.server, own: false });
        let row = rows.rows.iter().find(|row| row.verb == "create").unwrap();
        assert!(row.shares[1] > 500, "etcd takes most of it: {row:?}");
        assert!(rows.own > 0, "the server wrote what every cluster has");
    }

    #[test]
    fn who_asked_is_known_although_two_ask_at_once() {
        let mut lab = world("members=3 apiservers=1");
        lab.input(&Input::Line { terminal: 1, text: "kubectl get configmaps --watch".to_owned() });
        run(&mut lab, "kubectl label namespace default a=b", 500);
        let requests = followed(&lab);
        let who = |verb: &str| {
            let found = requests.newest().filter(|request| request.is_of_client() && request.verb == verb);
            found.map(|request| request.who(&lab)).collect::<Vec<_>>()
        };
        assert_eq!(
            (who("watch"), who("list"), who("patch")),
            (vec!["terminal 2".to_owned()], vec!["terminal 2".to_owned()], vec!["terminal 1".to_owned()],)
        );
    }

    #[test]
    fn who_is_refused_is_told_where() {
        let mut lab = world("members=1 apiservers=1");
        run(&mut lab, "kubectl create configmap a --as=nobody", 500);
        let detail = newest(&lab, "create");
        let last = detail
            .steps()
            .filter(|step| step.refused)
            .map(|step| (step.name(), step.said.to_string()))
            .collect::<Vec<_>>();
        assert_eq!(detail.state, State::Answered { status: 403, open: false });
        assert_eq!(last.len(), 1);
        assert_eq!(last[0].0, "authorization");
        assert!(last[0].1.contains("User \"nobody\" cannot create resource \"configmaps\""), "{last:?}");
    }

    #[test]
    fn following_step_by_step_finds_what_looking_once_finds() {
        let mut lab = world("members=1 apiservers=1");
        let mut requests = Requests::default();
        lab.input(&Input::Line { terminal: 0, text: "kubectl create configmap a".to_owned() });
        let mut states = Vec::new();
        for _ in 0..5_000 {
            lab.step();
            requests.follow(&lab);
            let found = requests.newest().find(|request| request.verb == "create" && request.is_of_client());
            if let Some(State::At(stage)) = found.map(|request| Row::of(&lab, request).state)
                && states.last() != Some(&stage)
            {
                states.push(stage);
            }
        }
        assert!(states.contains(&"etcd") && states.contains(&"mutating admission"), "{states:?}");
        assert!(requests.newest().eq(followed(&lab).newest()));
        // Another world's trace is not this one's.
        let other = world("members=1 apiservers=1 latency=2000us");
        requests.follow(&other);
        assert!(requests.newest().eq(followed(&other).newest()));
    }

    #[test]
    fn what_a_dead_server_was_asked_is_gone() {
        let mut lab = world("members=1 apiservers=1");
        lab.input(&Input::Line { terminal: 0, text: "kubectl create configmap a".to_owned() });
        let mut requests = Requests::default();
        let under_way = |requests: &Requests| {
            requests
                .newest()
                .find(|request| request.is_of_client() && request.end == End::UnderWay)
                .map(|found| found.event)
        };
        let mut asked = None;
        for _ in 0..5_000 {
            lab.step();
            requests.follow(&lab);
            asked = under_way(&requests);
            if asked.is_some() {
                break;
            }
        }
        let event = asked.expect("it was asked something");
        let host = lab.api_server_machines().next().unwrap();
        lab.input(&Input::Fault(Fault::Kill { host }));
        assert_eq!(Detail::of(&lab, &requests, event).unwrap().state, State::Gone);
        lab.input(&Input::Fault(Fault::Start { host }));
        requests.follow(&lab);
        assert_eq!(requests.get(event).unwrap().end, End::Gone);
    }
}
