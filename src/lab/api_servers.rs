//! The API servers of a world: where they run, how they are started and ended, and what they were started with.

use super::{Lab, Scenario, Topic};
use crate::etcd::Wire;
use crate::etcd::client::{self, Address, ClientId};
use crate::k8s::apiserver::authentication::{Authenticator, Keys, StaticToken};
use crate::k8s::apiserver::{ApiServer, Config, Fact, Flags, Moment, Outbox, User};
use crate::k8s::encryption::plugin::Plugins;
use crate::sim::{Effect, Fault, HostId, Prng};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct ApiServers {
    /// The machine of the first; the others follow.
    first: HostId,
    seed: u64,
    names: Vec<String>,
    /// None in a world without any.
    config: Option<Arc<Config>>,
    running: Vec<Option<Box<ApiServer>>>,
    /// How often each was started.
    starts: Vec<u32>,
    flags: Vec<Arc<Flags>>,
    /// What guards the keys of encryption at rest.
    plugins: Plugins,
}

/// `--service-account-issuer`, as kubeadm sets it.
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// The port of every API server.
pub const PORT: u16 = 6443;
/// The token of the learner's kubeconfig. Simplified: kubeadm's admin has a certificate; TLS is not simulated.
pub const ADMIN_TOKEN: &str = "lab-admin-token";
/// Clients of servers are numbered far above those of the workstation, anew at each start.
const CLIENTS: u32 = 1 << 30;
const STARTS_MAX: u32 = 1 << 16;

impl ApiServers {
    pub fn new(first: HostId, scenario: &Scenario, seed: u64) -> ApiServers {
        let names: Vec<String> = scenario.api_server_names().collect();
        ApiServers {
            first,
            seed,
            config: (!names.is_empty()).then(|| config(seed).into()),
            running: vec![None; names.len()],
            starts: vec![0; names.len()],
            flags: vec![Arc::default(); names.len()],
            plugins: Plugins { secret: seed, ..Plugins::default() },
            names,
        }
    }

    /// Their machines.
    pub fn hosts(&self) -> impl Iterator<Item = HostId> + use<> {
        let first = self.first.0;
        (first..first + self.names.len() as u16).map(HostId)
    }

    pub fn is_one(&self, host: HostId) -> bool {
        self.place(host).is_some()
    }

    pub fn running(&self) -> impl Iterator<Item = (HostId, &ApiServer)> {
        self.hosts().zip(&self.running).filter_map(|(host, server)| Some((host, server.as_deref()?)))
    }

    pub fn name(&self, host: HostId) -> Option<&str> {
        Some(&self.names[self.place(host)?])
    }

    pub fn at(&self, host: HostId) -> Option<&ApiServer> {
        self.running[self.place(host)?].as_deref()
    }

    /// Its process is gone without a word.
    pub fn remove(&mut self, host: HostId) {
        if let Some(place) = self.place(host) {
            self.running[place] = None;
        }
    }

    fn place(&self, host: HostId) -> Option<usize> {
        let place = usize::from(host.0.checked_sub(self.first.0)?);
        (place < self.names.len()).then_some(place)
    }
}

/// What each of them is started with.
fn config(seed: u64) -> Config {
    let admin = User {
        name: "kubernetes-admin".to_owned(),
        groups: ["kubeadm:cluster-admins", "system:masters", "system:authenticated"].map(str::to_owned).to_vec(),
        ..User::default()
    };
    Config::new(Authenticator {
        token_file: [StaticToken { token: ADMIN_TOKEN.to_owned(), user: admin.into() }].into(),
        service_accounts: signing_keys(seed).into(),
        is_bootstrap_enabled: true,
        is_anonymous_enabled: true,
    })
}

/// By which the servers sign tokens of service accounts: the same key for all of them.
fn signing_keys(seed: u64) -> Keys {
    let mut prng = Prng::stream(seed, "service account key");
    let mut bytes = [0; 32];
    bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&prng.next_u64().to_le_bytes()));
    Keys::new(ISSUER, &[], &[bytes]).expect("one seed makes one key")
}

/// What they were started with follows from the scenario and the seed.
impl Hash for ApiServers {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.running, &self.starts, &self.flags, &self.plugins).hash(state);
    }
}

impl Lab {
    pub(super) fn start_api_server(&mut self, host: HostId) {
        let Some(place) = self.api_servers.place(host) else { return };
        if self.api_servers.running[place].is_some() || !self.sim.powered(host) {
            return;
        }
        let servers = &mut self.api_servers;
        let Some(config) = &servers.config else { return };
        let config = Config { flags: servers.flags[place].as_ref().clone(), ..config.as_ref().clone() };
        servers.starts[place] += 1;
        let starts = servers.starts[place] % STARTS_MAX;
        let client = ClientId(CLIENTS + u32::from(host.0) * STARTS_MAX + starts);
        let endpoint = |machine: &crate::etcd::Machine| {
            (client::authority(&machine.client_url).to_owned(), Address::Host(machine.host))
        };
        let endpoints = self.cluster.peers.iter().map(|peer| endpoint(&peer.machine)).collect();
        let name = servers.names[place].clone();
        let prng = Prng::stream(servers.seed, &format!("{name}/{starts}"));
        let at = Moment { now: self.sim.now(), event: self.sim.current() };
        let mut out = Outbox::default();
        let mut server = ApiServer::start(&name, client, endpoints, config.into(), prng, at, &mut out);
        server.heed_plugins(&servers.plugins);
        servers.running[place] = Some(server.into());
        self.perform_for_api_server(host, &mut out);
    }

    /// Starts the process of a machine with other flags.
    pub(super) fn configure_api_server(&mut self, host: HostId, flags: Arc<Flags>) {
        if let Some(place) = self.api_servers.place(host) {
            self.api_servers.flags[place] = flags;
            self.inflict(Fault::Restart { host });
        }
    }

    /// A plugin has another key from now on.
    pub(super) fn rotate_key(&mut self, plugin: &str) {
        self.api_servers.plugins.rotate(plugin);
        let plugins = self.api_servers.plugins.clone();
        for host in self.api_servers.hosts() {
            self.at_api_server(host, |server, _, _| server.heed_plugins(&plugins));
        }
    }

    /// Ends the process of a machine that keeps its power.
    pub(super) fn kill_api_server(&mut self, host: HostId) {
        self.at_api_server(host, |server, _, out| server.kill(out));
        self.api_servers.remove(host);
    }

    pub(super) fn at_api_server(&mut self, host: HostId, act: impl FnOnce(&mut ApiServer, Moment, &mut Outbox)) {
        let at = Moment { now: self.sim.now(), event: self.sim.current() };
        let Some(place) = self.api_servers.place(host) else { return };
        let Some(server) = self.api_servers.running[place].as_mut() else { return };
        let mut out = Outbox::default();
        act(server, at, &mut out);
        self.perform_for_api_server(host, &mut out);
    }

    pub(super) fn deliver_to_api_server(&mut self, to: HostId, from: HostId, message: &Arc<Wire>) {
        let is_running = self.api_servers.place(to).is_some_and(|place| self.api_servers.running[place].is_some());
        if is_running {
            return self.at_api_server(to, |server, at, out| server.receive(at, from, message, out));
        }
        // The machine runs, but nothing listens on it.
        let mut out = crate::etcd::Outbox::default();
        crate::etcd::refuse(from, message, &mut out);
        self.perform(to, &mut out);
    }

    fn perform_for_api_server(&mut self, host: HostId, out: &mut Outbox) {
        for effect in out.drain() {
            if let Effect::Fact(fact) = &effect {
                let topics: &[Topic] = match fact {
                    Fact::Started => &[Topic::ApiServer, Topic::Raft],
                    _ => &[Topic::ApiServer],
                };
                self.touch(topics);
            }
            self.sim.perform(host, effect);
        }
    }
}
