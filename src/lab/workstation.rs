//! The learner's machine: terminals, the programs that run in them, and the clients through which they reach the cluster.

use super::api_servers::{ADMIN_TOKEN, PORT};
use super::scenario::{Layout, Scenario};
use super::witness::Heard;
use crate::etcd::client::{self, Address, Client, ClientEvent, ClientId, ClientNote, LeaseKey, WatchKey};
use crate::etcd::http::{Fetch, FetchEvent, HttpRequest};
use crate::etcd::wire::{CallId, ConnId, Frame};
use crate::etcd::{Cluster, Fact, Machine as Server, Outbox};
use crate::shell::files::Files;
use crate::shell::process::{Ask, Asks, CallError, Order, Program as _, Tell, Token, Via};
use crate::shell::{Machine, Shell};
use crate::sim::{Fault, HostId, Micros, SimTime};
use bytes::Bytes;
use imbl::Vector;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A program's timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerNote {
    pub terminal: u8,
    token: Token,
}

/// Where the workstation puts what it wants done.
#[derive(Default)]
pub struct Desk {
    pub out: Outbox,
    pub timers: Vec<(Micros, TimerNote)>,
    pub faults: Vec<Fault>,
    pub orders: Vec<Order>,
    /// What passed between programs and their clients.
    pub heard: Vec<Heard>,
    /// Something was written to a terminal.
    pub printed: bool,
}

/// What several API servers are called together. Simplified: no machine balances; it is a name with several addresses, of
/// which a client takes the next each time and passes over those that refuse or are silent.
const BALANCED: &str = "cluster-endpoint";

#[derive(Clone, Debug, Hash)]
pub struct Workstation {
    host: HostId,
    /// Where each endpoint leads: `host:port` of every member, and the names of all machines.
    addresses: Arc<Addresses>,
    terminals: Vec<Terminal>,
    clients: BTreeMap<ClientId, Owned>,
    fetches: BTreeMap<ClientId, Fetching>,
    /// What has come of requests of programs outside.
    fetched: Vector<(u32, FetchEvent)>,
    next_client: u32,
    files: Files,
}

#[derive(Debug, Hash)]
struct Addresses {
    authorities: BTreeMap<String, HostId>,
    /// The API servers.
    servers: Vec<HostId>,
    machines: Vec<String>,
}

/// A client, and the program that uses it.
#[derive(Clone, Debug, Hash)]
struct Owned {
    client: Client,
    terminal: u8,
    via: Via,
    calls: BTreeMap<CallId, Token>,
}

/// An HTTP request, and the program that wants its answer.
#[derive(Clone, Debug, Hash)]
struct Fetching {
    fetch: Fetch,
    owner: Owner,
}

/// Who wants the answer to an HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Owner {
    Program {
        terminal: u8,
        token: Token,
    },
    /// A program outside of the world.
    Outside {
        number: u32,
    },
}

#[derive(Clone, Debug, Hash)]
pub struct Terminal {
    shell: Shell,
    scrollback: Vector<Printed>,
    bytes: usize,
}

/// A piece of a terminal's scrollback.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Printed {
    pub at: SimTime,
    pub kind: PrintedKind,
    pub text: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrintedKind {
    /// A line that was typed, at the prompt or to a running program.
    Command,
    Typed,
    Stdout,
    Stderr,
    /// The line is done, with this exit status.
    Done(i32),
}

/// A terminal keeps this much; the oldest goes first.
const SCROLLBACK_BYTES: usize = 4 << 20;
const SCROLLBACK_PIECES: usize = 20_000;
/// What `clear` prints to a terminal.
const CLEAR: &str = "\x1b[H\x1b[2J";

impl Terminal {
    pub fn scrollback(&self) -> &Vector<Printed> {
        &self.scrollback
    }

    /// Whether a program runs in it.
    pub fn is_running(&self) -> bool {
        self.shell.running()
    }

    pub fn shell(&self) -> &Shell {
        &self.shell
    }

    fn print(&mut self, at: SimTime, kind: PrintedKind, text: &str) {
        if kind == PrintedKind::Stdout && text.starts_with(CLEAR) {
            self.scrollback.clear();
            self.bytes = 0;
            return;
        }
        if text.is_empty() && matches!(kind, PrintedKind::Stdout | PrintedKind::Stderr) {
            return;
        }
        self.bytes += text.len();
        self.scrollback.push_back(Printed { at, kind, text: text.into() });
        while self.bytes > SCROLLBACK_BYTES || self.scrollback.len() > SCROLLBACK_PIECES {
            match self.scrollback.pop_front() {
                Some(oldest) => self.bytes -= oldest.text.len(),
                None => break,
            }
        }
    }
}

impl Workstation {
    pub(super) fn new(host: HostId, scenario: &Scenario, cluster: &Cluster) -> Workstation {
        let authority = |url: &str| client::authority(url).to_owned();
        let endpoints: Vec<String> = cluster.peers.iter().map(|peer| authority(&peer.machine.client_url)).collect();
        let reached = |machine: &Server| (authority(&machine.client_url), machine.host);
        let servers = scenario.api_server_names().enumerate();
        let served: Vec<(String, HostId)> =
            servers.map(|(place, name)| (format!("{name}:{PORT}"), HostId(host.0 + 1 + place as u16))).collect();
        let addresses = Addresses {
            servers: served.iter().map(|(_, host)| *host).collect(),
            authorities: cluster.machines().map(reached).chain(served).collect(),
            machines: scenario.host_names(),
        };
        let machine = Machine {
            name: "workstation".to_owned(),
            hosts: scenario.host_names(),
            api_servers: scenario.api_server_names().collect(),
            environment: match scenario.layout {
                Layout::Machines => vec![("ETCDCTL_ENDPOINTS".to_owned(), endpoints.join(","))],
                // etcdctl looks there by itself.
                Layout::Localhost => Vec::new(),
            },
            endpoints,
        };
        let mut files = Files::default();
        if scenario.layout == Layout::Localhost {
            // Simplified: the members' data directories are there, for they were started here; what is in them is on
            // disks of their own.
            for peer in &cluster.peers {
                for part in ["snap", "wal"] {
                    let made = files.make_directories(&format!("{}.etcd/member/{part}", peer.machine.name));
                    made.expect("an empty disk has room for a few directories");
                }
            }
        }
        let mut servers = scenario.api_server_names();
        if let Some(first) = servers.next() {
            let server = if servers.next().is_some() { BALANCED.to_owned() } else { first };
            let made = files.make_directories(".kube").and_then(|()| files.write(".kube/config", kubeconfig(&server)));
            made.expect("an empty disk has room for a kubeconfig");
        }
        let terminal = || Terminal { shell: Shell::new(machine.clone()), scrollback: Vector::new(), bytes: 0 };
        Workstation {
            host,
            addresses: Arc::new(addresses),
            terminals: (0..scenario.terminals).map(|_| terminal()).collect(),
            clients: BTreeMap::new(),
            fetches: BTreeMap::new(),
            fetched: Vector::new(),
            next_client: 0,
            files,
        }
    }

    pub fn host(&self) -> HostId {
        self.host
    }

    pub fn terminals(&self) -> &[Terminal] {
        &self.terminals
    }

    /// Its clients, each with the terminal whose program it serves.
    pub fn clients(&self) -> impl Iterator<Item = (ClientId, &Client, u8)> {
        self.clients.iter().map(|(id, owned)| (*id, &owned.client, owned.terminal))
    }

    /// What lies on its disk.
    pub fn files(&self) -> &Files {
        &self.files
    }

    // What happens to it.

    pub(super) fn line(&mut self, now: SimTime, terminal: u8, text: &str, desk: &mut Desk) {
        let Some(term) = self.terminals.get_mut(usize::from(terminal)) else { return };
        desk.printed = true;
        let kind = if term.is_running() { PrintedKind::Typed } else { PrintedKind::Command };
        // A password is typed unseen.
        term.print(now, kind, if term.shell.hides_input() { "" } else { text });
        let mut asks = Asks::new(&mut self.files);
        term.shell.line(now, text, &mut asks);
        let asks = asks.into_list();
        self.carry_out(now, terminal, asks, kind == PrintedKind::Typed || !text.trim().is_empty(), desk);
    }

    pub(super) fn interrupt(&mut self, now: SimTime, terminal: u8, desk: &mut Desk) {
        self.tell(now, terminal, Tell::Interrupt, desk);
    }

    pub(super) fn end_of_input(&mut self, now: SimTime, terminal: u8, desk: &mut Desk) {
        self.tell(now, terminal, Tell::StdinClosed, desk);
    }

    pub(super) fn timer(&mut self, now: SimTime, timer: TimerNote, desk: &mut Desk) {
        self.tell(now, timer.terminal, Tell::Timer { token: timer.token }, desk);
    }

    /// The terminal whose program asks a server by HTTP; nothing for programs outside of this world.
    pub fn terminal_of(&self, client: ClientId) -> Option<u8> {
        match self.fetches.get(&client)?.owner {
            Owner::Program { terminal, .. } => Some(terminal),
            Owner::Outside { .. } => None,
        }
    }

    pub(super) fn client_wake(&mut self, now: SimTime, id: ClientId, note: ClientNote, desk: &mut Desk) {
        if let Some(owned) = self.clients.get_mut(&id) {
            owned.client.wake(now, note, &mut desk.out);
            self.heed(now, id, desk);
        } else if let Some(fetching) = self.fetches.get_mut(&id) {
            fetching.fetch.wake(now, note, &mut desk.out);
            self.heed_fetch(now, id, desk);
        }
    }

    pub(super) fn receive(&mut self, now: SimTime, conn: ConnId, number: u32, frame: Frame, desk: &mut Desk) {
        let id = conn.client();
        if let Some(owned) = self.clients.get_mut(&id) {
            owned.client.receive(now, conn, number, frame, &mut desk.out);
            self.heed(now, id, desk);
        } else if let Some(fetching) = self.fetches.get_mut(&id) {
            fetching.fetch.receive(conn, number, frame, &mut desk.out);
            self.heed_fetch(now, id, desk);
        }
    }

    /// Passes on what has become of an HTTP request.
    fn heed_fetch(&mut self, now: SimTime, id: ClientId, desk: &mut Desk) {
        let Some(fetching) = self.fetches.get_mut(&id) else { return };
        let owner = fetching.owner;
        let events: Vec<FetchEvent> = fetching.fetch.drain().collect();
        if fetching.fetch.is_over() {
            self.fetches.remove(&id);
        }
        for event in events {
            match owner {
                Owner::Program { terminal, token } => self.tell(now, terminal, Tell::Http { token, event }, desk),
                Owner::Outside { number } => self.fetched.push_back((number, event)),
            }
        }
    }

    /// Passes on what a client has to say.
    fn heed(&mut self, now: SimTime, id: ClientId, desk: &mut Desk) {
        let Some(owned) = self.clients.get_mut(&id) else { return };
        let terminal = owned.terminal;
        let events: Vec<ClientEvent> = owned.client.drain().collect();
        for event in events {
            let Some(owned) = self.clients.get_mut(&id) else { return };
            let tell = match event {
                ClientEvent::Answer { call, result } => {
                    let Some(token) = owned.calls.remove(&call) else { continue };
                    let seen = result.clone().map_err(|(status, _)| status);
                    desk.heard.push(Heard::Answered { client: id, call, result: seen });
                    Tell::Answer { token, result: result.map_err(|(status, log)| CallError { status, log }) }
                }
                ClientEvent::Watch { watch, result } => {
                    desk.heard.push(Heard::Told { client: id, watch, result: result.clone() });
                    if let Ok(response) = &result
                        && !response.events.is_empty()
                    {
                        let revision =
                            |event: &crate::etcd::api::Event| event.kv.as_ref().map_or(0, |kv| kv.mod_revision);
                        let revisions = response.events.iter().map(revision).collect();
                        desk.out.fact(Fact::Watched { watch, client: id, revisions });
                    }
                    Tell::Watch { token: Token(watch.0), result }
                }
                ClientEvent::KeptAlive { lease, response } => Tell::KeptAlive { token: Token(lease.0), response },
            };
            self.tell(now, terminal, tell, desk);
        }
    }

    fn tell(&mut self, now: SimTime, terminal: u8, tell: Tell, desk: &mut Desk) {
        let Some(term) = self.terminals.get_mut(usize::from(terminal)) else { return };
        let was_running = term.is_running();
        let mut asks = Asks::new(&mut self.files);
        term.shell.tell(now, tell, &mut asks);
        let asks = asks.into_list();
        self.carry_out(now, terminal, asks, was_running, desk);
    }

    /// Does what the shell of a terminal asks; `was_running` if a line was under way until now.
    fn carry_out(&mut self, now: SimTime, terminal: u8, asks: Vec<Ask>, was_running: bool, desk: &mut Desk) {
        let (mut to_heed, mut fetches_to_heed) = (Vec::new(), Vec::new());
        let mut unedited = Vec::new();
        for ask in asks {
            let term = &mut self.terminals[usize::from(terminal)];
            match ask {
                Ask::Stdout(text) => {
                    term.print(now, PrintedKind::Stdout, &text);
                    desk.printed = true;
                }
                Ask::Stderr(text) => {
                    term.print(now, PrintedKind::Stderr, &text);
                    desk.printed = true;
                }
                Ask::Login { token, via, timeout } => {
                    let (_, owned) = self.client(terminal, via);
                    let call = owned.client.log_in(now, timeout, &mut desk.out);
                    owned.calls.insert(call, token);
                }
                Ask::Call { token, via, request, timeout } => {
                    let (id, owned) = self.client(terminal, via);
                    let call = owned.client.call(now, request.clone(), timeout, &mut desk.out);
                    owned.calls.insert(call, token);
                    desk.heard.push(Heard::Asked { client: id, call, request });
                    to_heed.push(id);
                }
                Ask::Watch { token, via, request } => {
                    let (id, owned) = self.client(terminal, via);
                    let watch = WatchKey(token.0);
                    owned.client.watch(now, watch, request.clone(), &mut desk.out);
                    desk.heard.push(Heard::Watching { client: id, watch, request });
                }
                Ask::KeepAlive { token, via, lease } => {
                    let (_, owned) = self.client(terminal, via);
                    owned.client.keep_lease(now, LeaseKey(token.0), lease, &mut desk.out);
                }
                Ask::WatchProgress { .. } => {
                    for owned in self.clients.values_mut().filter(|owned| owned.terminal == terminal) {
                        owned.client.watch_progress(&mut desk.out);
                    }
                }
                Ask::Cancel { token } => {
                    for owned in self.clients.values_mut().filter(|owned| owned.terminal == terminal) {
                        owned.client.cancel_watch(WatchKey(token.0), &mut desk.out);
                        owned.client.drop_lease(LeaseKey(token.0));
                    }
                    self.drop_fetches(desk, |owner| owner == Owner::Program { terminal, token });
                }
                Ask::Http { token, authority, request } => {
                    let owner = Owner::Program { terminal, token };
                    fetches_to_heed.push(self.begin_fetch(now, owner, &authority, request, desk));
                }
                Ask::Sleep { token, span } => {
                    desk.timers.push((span, TimerNote { terminal, token }));
                }
                Ask::Edit { token, .. } => unedited.push(token),
                Ask::Fault(fault) => desk.faults.push(fault),
                Ask::Order(order) => desk.orders.push(order),
                // A terminal's shell outlives its programs.
                Ask::Exit(_) => {}
            }
        }
        let term = &mut self.terminals[usize::from(terminal)];
        if was_running && !term.is_running() {
            term.print(now, PrintedKind::Done(term.shell.status()), "");
            desk.printed = true;
        }
        if term.shell.is_idle() {
            self.close_clients(terminal, desk);
        }
        for id in to_heed {
            self.heed(now, id, desk);
        }
        for id in fetches_to_heed {
            self.heed_fetch(now, id, desk);
        }
        for token in unedited {
            // Simplified: the page has no editor yet.
            let result = Err("no editor is attached to this terminal".to_owned());
            self.tell(now, terminal, Tell::Edited { token, result }, desk);
        }
    }

    fn begin_fetch(
        &mut self,
        now: SimTime,
        owner: Owner,
        authority: &str,
        request: HttpRequest,
        desk: &mut Desk,
    ) -> ClientId {
        self.next_client += 1;
        let id = ClientId(self.next_client);
        let fetch = match self.addresses.balanced(authority, self.next_client) {
            Some(hosts) => Fetch::begin_among(id, hosts, request, now, &mut desk.out),
            None => Fetch::begin(id, self.addresses.resolve(authority), request, now, &mut desk.out),
        };
        self.fetches.insert(id, Fetching { fetch, owner });
        id
    }

    /// A program outside of the world asks for something.
    pub(super) fn fetch(&mut self, now: SimTime, number: u32, authority: &str, request: &HttpRequest, desk: &mut Desk) {
        let id = self.begin_fetch(now, Owner::Outside { number }, authority, request.clone(), desk);
        self.heed_fetch(now, id, desk);
    }

    pub(super) fn close_fetch(&mut self, number: u32, desk: &mut Desk) {
        self.drop_fetches(desk, |owner| owner == Owner::Outside { number });
    }

    pub(super) fn drain_http(&mut self) -> Vec<(u32, FetchEvent)> {
        std::mem::take(&mut self.fetched).into_iter().collect()
    }

    fn drop_fetches(&mut self, desk: &mut Desk, which: impl Fn(Owner) -> bool) {
        self.fetches.retain(|_, fetching| {
            let drops = which(fetching.owner);
            if drops {
                fetching.fetch.close(&mut desk.out);
            }
            !drops
        });
    }

    /// The client of this terminal for these endpoints and this user; a program's calls share it, as they do in clientv3.
    fn client(&mut self, terminal: u8, via: Via) -> (ClientId, &mut Owned) {
        let known = self.clients.iter().find(|(_, owned)| owned.terminal == terminal && owned.via == via);
        let id = match known {
            Some((id, _)) => *id,
            None => {
                self.next_client += 1;
                ClientId(self.next_client)
            }
        };
        let addresses = &self.addresses;
        let owned = self.clients.entry(id).or_insert_with(|| {
            let addressed = via.endpoints.iter().map(|name| (name.clone(), addresses.resolve(name))).collect();
            let client = Client::new(id, addressed, via.user.clone());
            Owned { client, terminal, via, calls: BTreeMap::new() }
        });
        (id, owned)
    }

    fn close_clients(&mut self, terminal: u8, desk: &mut Desk) {
        self.clients.retain(|id, owned| {
            if owned.terminal == terminal {
                owned.client.close(&mut desk.out);
                desk.heard.push(Heard::Closed { client: *id });
            }
            owned.terminal != terminal
        });
        self.drop_fetches(desk, |owner| matches!(owner, Owner::Program { terminal: own, .. } if own == terminal));
    }
}

/// The learner's way to the API servers, as kubeadm names its parts.
fn kubeconfig(server: &str) -> Bytes {
    let text = format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    server: https://{server}:{PORT}\n  name: kubernetes\ncontexts:\n- \
         context:\n    cluster: kubernetes\n    user: kubernetes-admin\n  name: kubernetes-admin@kubernetes\n\
         current-context: kubernetes-admin@kubernetes\nkind: Config\npreferences: {{}}\nusers:\n- name: kubernetes-admin\n  \
         user:\n    token: {ADMIN_TOKEN}\n"
    );
    text.into()
}

impl Addresses {
    /// The machines behind the balancer, another one first each time.
    fn balanced(&self, endpoint: &str, turn: u32) -> Option<VecDeque<HostId>> {
        let is_meant = client::authority(endpoint) == format!("{BALANCED}:{PORT}") && !self.servers.is_empty();
        is_meant.then(|| {
            let mut hosts: VecDeque<HostId> = self.servers.iter().copied().collect();
            hosts.rotate_left(turn as usize % hosts.len());
            hosts
        })
    }

    fn resolve(&self, endpoint: &str) -> Address {
        let authority = client::authority(endpoint);
        let here = authority.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        if let Some(host) = self.authorities.get(here.as_deref().unwrap_or(authority)) {
            return Address::Host(*host);
        }
        let name = authority.rsplit_once(':').map_or(authority, |(name, _)| name);
        let known = name == "localhost" || name.starts_with("127.") || self.machines.iter().any(|host| host == name);
        if known { Address::Refused } else { Address::NoSuchHost }
    }
}
