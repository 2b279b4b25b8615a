//! Every watcher at every member, how far each has come, and the watches that no member carries.

use super::words;
use crate::etcd::api::WatchCreateRequest;
use crate::etcd::client::{ClientId, WatchKey, prefix_end};
use crate::etcd::mvcc::{WatcherGroup, WatcherStatus};
use crate::etcd::wire::ConnId;
use crate::lab::Lab;
use crate::lab::check::Seen;
use crate::sim::HostId;
use std::collections::BTreeMap;

/// What part of the watchers is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Only those that have not caught up.
    pub behind: bool,
    /// At most so many of each member.
    pub limit: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct WatchesView {
    pub members: Vec<MemberView>,
    /// Watches whose client looks for a member that carries them.
    pub adrift: Vec<Adrift>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MemberView {
    pub host: HostId,
    pub name: String,
    pub revision: i64,
    pub counts: Counts,
    pub streams: Vec<StreamView>,
    /// Watchers beyond the limit.
    pub more: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub synced: usize,
    pub unsynced: usize,
    pub victims: usize,
    pub compacted: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StreamView {
    pub id: u64,
    pub client: String,
    /// Responses that wait for the client to read.
    pub waiting: usize,
    pub watchers: Vec<WatcherView>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct WatcherView {
    pub id: i64,
    pub keys: String,
    /// What to filter keys by to see those that it watches.
    pub filter: String,
    /// Where it was asked to begin; 0 for its present.
    pub start: i64,
    pub next: i64,
    /// Revisions of the store that it was not sent yet.
    pub behind: i64,
    /// How much of what there is since its start it was sent, in thousandths.
    pub share: u32,
    pub group: WatcherGroup,
    pub options: Vec<&'static str>,
    /// What its client received, if the client still knows it.
    pub heard: Option<Heard>,
}

/// What came of a watch at its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    Events(Seen),
    /// It fills a watch cache of an API server, which holds everything up to this revision.
    Cache(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adrift {
    pub client: String,
    pub keys: String,
    /// From which revision it will go on.
    pub from: i64,
}

/// Who reads a watch, by its stream and its number there.
type Behind = BTreeMap<(u64, i64), Reader>;

#[derive(Clone, Copy)]
enum Reader {
    Terminal(ClientId, WatchKey),
    Cache(i64),
}

impl WatchesView {
    pub fn of(lab: &Lab, ask: &Ask) -> WatchesView {
        let mut behind = Behind::new();
        let mut adrift = Vec::new();
        for (id, client, terminal) in lab.workstation().clients() {
            for (watch, request, place) in client.watches() {
                match place {
                    Some((stream, number)) => _ = behind.insert((stream.0, number), Reader::Terminal(id, watch)),
                    None if adrift.len() < ask.limit => adrift.push(Adrift {
                        client: terminal_name(terminal),
                        keys: keys_of(request),
                        from: request.start_revision,
                    }),
                    None => {}
                }
            }
        }
        for (_, server) in lab.api_servers() {
            let caches =
                server.sources().map(|((stream, number), cache)| ((stream.0, number), Reader::Cache(cache.revision)));
            behind.extend(caches);
        }
        let members = lab.members().map(|(host, _)| MemberView::of(lab, host, ask, &behind)).collect();
        WatchesView { members, adrift }
    }

    pub fn is_empty(&self) -> bool {
        self.adrift.is_empty() && self.members.iter().all(|member| member.counts == Counts::default())
    }
}

impl MemberView {
    fn of(lab: &Lab, host: HostId, ask: &Ask, behind: &Behind) -> MemberView {
        let mut view = MemberView {
            host,
            name: words::host(lab, host),
            revision: 0,
            counts: Counts::default(),
            streams: Vec::new(),
            more: 0,
        };
        let Some(member) = lab.member(host) else { return view };
        let store = member.store();
        view.revision = store.kv().revision();
        let waiting: BTreeMap<u64, usize> = store.streams().collect();
        let mut shown = 0;
        for watcher in store.watchers() {
            view.counts.add(watcher.group);
            if ask.behind && watcher.group == WatcherGroup::Synced {
                continue;
            }
            if shown == ask.limit {
                view.more += 1;
                continue;
            }
            shown += 1;
            if view.streams.last().is_none_or(|stream| stream.id != watcher.stream) {
                let waiting = waiting.get(&watcher.stream).copied().unwrap_or(0);
                let client = client_name(lab, ConnId(watcher.stream).client());
                view.streams.push(StreamView { id: watcher.stream, client, waiting, watchers: Vec::new() });
            }
            let known = behind.get(&(watcher.stream, watcher.watch_id));
            let heard = known.map(|reader| match reader {
                Reader::Terminal(client, watch) => Heard::Events(lab.check().seen(*client, *watch).unwrap_or_default()),
                Reader::Cache(revision) => Heard::Cache(*revision),
            });
            let row = WatcherView::of(&watcher, view.revision, heard);
            view.streams.last_mut().expect("a stream was just made").watchers.push(row);
        }
        view
    }
}

impl Counts {
    fn add(&mut self, group: WatcherGroup) {
        *match group {
            WatcherGroup::Synced => &mut self.synced,
            WatcherGroup::Unsynced => &mut self.unsynced,
            WatcherGroup::Victim { .. } => &mut self.victims,
            WatcherGroup::Compacted => &mut self.compacted,
        } += 1;
    }

    /// `2 synced, 1 unsynced`
    pub fn text(&self) -> String {
        let all = [
            (self.synced, "synced"),
            (self.unsynced, "unsynced"),
            (self.victims, if self.victims == 1 { "victim" } else { "victims" }),
            (self.compacted, "ended by compaction"),
        ];
        let some: Vec<String> =
            all.iter().filter(|(count, _)| *count > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if some.is_empty() { "no watchers".to_owned() } else { some.join(", ") }
    }
}

impl WatcherView {
    fn of(watcher: &WatcherStatus, revision: i64, heard: Option<Heard>) -> WatcherView {
        let behind = (revision + 1 - watcher.next).max(0);
        let whole = (revision + 1 - watcher.start_revision.max(1)).max(1);
        let done = if watcher.group == WatcherGroup::Synced { whole } else { (whole - behind).max(0) };
        let options = [
            (watcher.no_put, "filter NOPUT"),
            (watcher.no_delete, "filter NODELETE"),
            (watcher.prev_kv, "prev_kv"),
            (watcher.progress_notify, "progress_notify"),
            (watcher.fragment, "fragment"),
        ];
        WatcherView {
            id: watcher.watch_id,
            keys: span(&watcher.key, &watcher.range_end),
            filter: words::text(&watcher.key).trim_matches('\0').to_owned(),
            start: watcher.start_revision,
            next: watcher.next,
            behind,
            share: u32::try_from(done * 1_000 / whole).unwrap_or(1_000),
            group: watcher.group,
            options: options.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect(),
            heard,
        }
    }
}

fn keys_of(request: &WatchCreateRequest) -> String {
    span(&request.key, &request.range_end)
}

/// The keys that a request names, as etcdctl's flags say them.
fn span(key: &[u8], range_end: &[u8]) -> String {
    let name = words::text(key);
    match range_end {
        [] => name,
        [0] if key.is_empty() || key == [0] => "every key".to_owned(),
        [0] => format!("{name} and every key after it"),
        end if end == prefix_end(key) => format!("{name} and every key that begins so"),
        end => format!("from {name} up to {}", words::text(end)),
    }
}

pub(super) fn client_name(lab: &Lab, id: ClientId) -> String {
    if let Some((host, _)) = lab.api_servers().find(|(_, server)| server.etcd_client() == id) {
        return words::host(lab, host);
    }
    let found = lab.workstation().clients().find(|(client, _, _)| *client == id);
    let terminal = found.map(|(_, _, terminal)| terminal).or_else(|| lab.workstation().terminal_of(id));
    terminal.map_or_else(|| "a client that is gone".to_owned(), terminal_name)
}

pub(super) fn terminal_name(terminal: u8) -> String {
    format!("terminal {}", terminal + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Input;
    use crate::projection::revisions::tests::{type_line, world};
    use crate::sim::{Fault, Micros};

    const ASK: Ask = Ask { behind: false, limit: 100 };

    fn watch(lab: &mut Lab, line: &str) {
        lab.input(&Input::Line { terminal: 1, text: line.to_owned() });
        run(lab, 300);
    }

    fn run(lab: &mut Lab, ms: u64) {
        let end = lab.now() + Micros::from_millis(ms);
        lab.run_until(end, u64::MAX);
    }

    /// The members that have watchers.
    fn busy(lab: &Lab) -> Vec<MemberView> {
        let view = WatchesView::of(lab, &ASK);
        view.members.into_iter().filter(|member| !member.streams.is_empty()).collect()
    }

    #[test]
    fn a_watch_is_seen_where_it_is_served() {
        let mut lab = world(&["etcdctl put /a/x 1"]);
        assert!(WatchesView::of(&lab, &ASK).is_empty());
        watch(&mut lab, "etcdctl watch --prefix /a/ --rev=2 --prev-kv");
        type_line(&mut lab, "etcdctl put /a/y 2");
        let members = busy(&lab);
        assert_eq!(members.len(), 1);
        assert_eq!(members[0].counts.text(), "1 synced");
        let stream = &members[0].streams[0];
        assert_eq!((stream.client.as_str(), stream.waiting), ("terminal 2", 0));
        let watcher = &stream.watchers[0];
        assert_eq!(watcher.keys, "/a/ and every key that begins so");
        assert_eq!((watcher.start, watcher.next, watcher.behind, watcher.share), (2, 4, 0, 1_000));
        assert_eq!(watcher.options, ["prev_kv"]);
        assert_eq!(watcher.heard, Some(Heard::Events(Seen { newest: 3, events: 2 })));
    }

    #[test]
    fn the_watches_of_an_api_server_fill_its_caches() {
        let lab = crate::projection::servers::tests::world("members=1 apiservers=1");
        let members = busy(&lab);
        let stream = &members[0].streams[0];
        assert_eq!(stream.client, "apiserver-1");
        let watcher = stream.watchers.iter().find(|watcher| watcher.filter == "/registry/clusterroles/").unwrap();
        assert!(matches!(watcher.heard, Some(Heard::Cache(revision)) if revision > 50), "{watcher:?}");
    }

    #[test]
    fn a_watcher_from_the_past_catches_up() {
        let lines: Vec<String> = (0..8).map(|n| format!("etcdctl put /a/{n} x")).collect();
        let mut lab = world(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        lab.input(&Input::Line { terminal: 1, text: "etcdctl watch --prefix /a/ --rev=2".to_owned() });
        // Until its member has it and has not read the past yet.
        let mut unsynced = None;
        for _ in 0..2_000 {
            run(&mut lab, 1);
            if let Some(member) = busy(&lab).pop() {
                unsynced = Some(member);
                break;
            }
        }
        let member = unsynced.expect("the watcher came");
        let watcher = &member.streams[0].watchers[0];
        assert_eq!((watcher.group, watcher.next, watcher.behind, watcher.share), (WatcherGroup::Unsynced, 2, 8, 0));
        let only = WatchesView::of(&lab, &Ask { behind: true, limit: 9 });
        assert_eq!(only.members.iter().map(|member| member.streams.len()).sum::<usize>(), 1);
        run(&mut lab, 300);
        let watcher = busy(&lab)[0].streams[0].watchers[0].clone();
        assert_eq!((watcher.group, watcher.behind), (WatcherGroup::Synced, 0));
        let only = WatchesView::of(&lab, &Ask { behind: true, limit: 9 });
        assert!(only.members.iter().all(|member| member.streams.is_empty()));
    }

    #[test]
    fn a_watch_without_a_member_is_adrift() {
        let mut lab = world(&[]);
        watch(&mut lab, "etcdctl watch a");
        for host in lab.machines() {
            lab.input(&Input::Fault(Fault::PowerOff { host }));
        }
        // Nobody tells the client: it finds out by its pings.
        run(&mut lab, 40_000);
        let view = WatchesView::of(&lab, &ASK);
        assert!(view.members.is_empty());
        assert_eq!(view.adrift.iter().map(|watch| watch.keys.as_str()).collect::<Vec<_>>(), ["a"]);
        assert!(!view.is_empty());
    }

    #[test]
    fn more_than_the_limit_are_counted() {
        let mut lab = world(&[]);
        watch(&mut lab, "etcdctl watch a");
        let view = WatchesView::of(&lab, &Ask { behind: false, limit: 0 });
        assert_eq!(view.members.iter().map(|member| member.more).sum::<usize>(), 1);
    }
}
