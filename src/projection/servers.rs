//! The API servers of a world as a picture needs them: whether they run, and what they are about.

use super::inspect::Sheet;
use super::words;
use crate::k8s::apiserver::ApiServer;
use crate::k8s::apiserver::cache::CacheState;
use crate::k8s::apiserver::work::{Caller, Stage};
use crate::lab::Lab;
use crate::sim::HostId;

/// What a request passes, as the card of a server shows it: a word, and the stages that stand behind it.
pub const GATES: [(&str, &[Stage]); 6] = [
    ("authn", &[Stage::Authentication, Stage::Impersonation]),
    ("authz", &[Stage::FlowControl, Stage::Authorization]),
    ("admit", &[Stage::Decoding, Stage::MutatingAdmission]),
    ("valid", &[Stage::Validation, Stage::ValidatingAdmission]),
    ("store", &[Stage::Storage, Stage::WatchCache]),
    ("answer", &[Stage::Encoding]),
];

#[derive(Clone, Debug, PartialEq)]
pub struct ServerView {
    pub host: HostId,
    pub name: String,
    pub state: Standing,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    Off,
    /// With power, but no server runs.
    Down,
    Running(Running),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Caches that hold what etcd holds, of how many.
    pub filled: usize,
    pub caches: usize,
    pub is_ready: bool,
    /// How many requests are at each of [`GATES`] now.
    pub at: [usize; GATES.len()],
    /// Requests under way, those that wait for etcd or a cache among them.
    pub requests: usize,
    pub watchers: usize,
    /// Of the cache that is farthest.
    pub revision: i64,
}

/// What the inspector says of a server.
pub fn sheet(lab: &Lab, host: HostId) -> Sheet {
    let view = ServerView::of(lab, host);
    let mut rows = vec![("state", view.word())];
    if let (Standing::Running(running), Some(server)) = (&view.state, lab.api_server(host)) {
        rows.push(("requests", format!("{} under way", running.requests)));
        rows.push(("watches", running.watchers.to_string()));
        rows.push((
            "watch caches",
            format!("{} of {} filled, revision {}", running.filled, running.caches, running.revision),
        ));
        rows.push(("objects", server.caches().map(|cache| cache.objects.len()).sum::<usize>().to_string()));
        rows.push(("processors", server.config.processors.to_string()));
        rows.push(("seats", server.config.flags.seats().to_string()));
    }
    Sheet { kind: "API server", title: view.name, rows, ..Sheet::default() }
}

impl ServerView {
    pub fn of(lab: &Lab, host: HostId) -> ServerView {
        let state = match lab.api_server(host) {
            Some(server) => Standing::Running(Running::of(server)),
            None if lab.sim().has(host) && lab.sim().powered(host) => Standing::Down,
            None => Standing::Off,
        };
        ServerView { host, name: words::host(lab, host), state }
    }

    /// Its state in a word or two.
    pub fn word(&self) -> String {
        match &self.state {
            Standing::Off => "powered off".to_owned(),
            Standing::Down => "not running".to_owned(),
            Standing::Running(running) if running.is_ready => "ready".to_owned(),
            Standing::Running(running) if running.filled < running.caches => {
                format!("fills caches, {} of {}", running.filled, running.caches)
            }
            Standing::Running(_) => "writes what every cluster has".to_owned(),
        }
    }

    /// One sentence for those who listen.
    pub fn spoken(&self) -> String {
        let more = match &self.state {
            Standing::Running(running) => format!(", {}", running.text()),
            _ => String::new(),
        };
        format!("API server {}, {}{more}", self.name, self.word())
    }
}

impl Running {
    fn of(server: &ApiServer) -> Running {
        let mut at = [0; GATES.len()];
        for (_, work) in server.works() {
            let stage = work.passing.front().map(|passed| passed.stage);
            if let Some(gate) = GATES.iter().position(|(_, stages)| stage.is_some_and(|stage| stages.contains(&stage)))
            {
                at[gate] += 1;
            }
        }
        let filled = server.caches().filter(|cache| cache.state == CacheState::Watching).count();
        let own = |caller: &Caller| !matches!(caller, Caller::Stream { .. });
        Running {
            filled,
            caches: server.caches().count(),
            is_ready: server.is_ready(),
            at,
            requests: server.works().filter(|(_, work)| !own(&work.caller)).count(),
            watchers: server.watchers(),
            revision: server.caches().map(|cache| cache.revision).max().unwrap_or(0),
        }
    }

    /// `1 request · 2 watches · rev 51`
    pub fn text(&self) -> String {
        format!("{} · {}", words::count(self.requests, "request"), self.short_text())
    }

    /// `2 watches · rev 51`
    pub fn short_text(&self) -> String {
        let watches = if self.watchers == 1 { "watch" } else { "watches" };
        format!("{} {watches} · rev {}", self.watchers, self.revision)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::lab::{Input, Scenario};
    use crate::projection::inspect::host_verbs;
    use crate::sim::{Fault, Micros, SimTime};

    /// A world with API servers that are ready.
    pub fn world(scenario: &str) -> Lab {
        let mut lab = Lab::new(Scenario::parse(scenario).unwrap(), 7);
        lab.run_until(SimTime(6_000_000), u64::MAX);
        lab
    }

    pub fn run(lab: &mut Lab, line: &str, ms: u64) {
        lab.input(&Input::Line { terminal: 0, text: line.to_owned() });
        let end = lab.now() + Micros::from_millis(ms);
        lab.run_until(end, u64::MAX);
    }

    fn first(lab: &Lab) -> HostId {
        lab.api_server_machines().next().unwrap()
    }

    #[test]
    fn a_server_fills_its_caches_is_ready_and_dies() {
        let mut lab = Lab::new(Scenario::parse("members=3 apiservers=2").unwrap(), 7);
        lab.run_until(SimTime(100_000), u64::MAX);
        assert!(ServerView::of(&lab, first(&lab)).word().starts_with("fills caches, 0 of "));
        let mut lab = world("members=3 apiservers=2");
        let host = first(&lab);
        let view = ServerView::of(&lab, host);
        assert_eq!((view.name.as_str(), view.word().as_str()), ("apiserver-1", "ready"));
        let Standing::Running(running) = &view.state else { panic!("it runs") };
        assert_eq!(running.filled, running.caches);
        assert_eq!(running.at, [0; GATES.len()]);
        let verbs = |lab: &Lab| host_verbs(lab, host).into_iter().map(|verb| verb.label).collect::<Vec<_>>();
        assert_eq!(verbs(&lab), ["Power off", "Restart", "Kill"]);
        assert!(sheet(&lab, host).rows.contains(&("state", "ready".to_owned())));
        lab.input(&Input::Fault(Fault::Kill { host }));
        assert_eq!(verbs(&lab), ["Power off", "Start"]);
        assert_eq!(ServerView::of(&lab, host).word(), "not running");
        lab.input(&Input::Fault(Fault::PowerOff { host }));
        assert_eq!(ServerView::of(&lab, host).spoken(), "API server apiserver-1, powered off");
    }

    #[test]
    fn a_request_is_seen_at_every_gate() {
        let mut lab = world("members=1 apiservers=1");
        let host = first(&lab);
        lab.input(&Input::Line { terminal: 0, text: "kubectl create configmap a --from-literal=b=1".to_owned() });
        let mut seen = [false; GATES.len()];
        for _ in 0..20_000 {
            lab.step();
            if let Standing::Running(running) = ServerView::of(&lab, host).state {
                running.at.iter().zip(&mut seen).for_each(|(count, seen)| *seen |= *count > 0);
            }
        }
        assert_eq!(seen, [true; GATES.len()]);
    }
}
