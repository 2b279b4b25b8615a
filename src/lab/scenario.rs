//! What a world is made of before anything happens: machines, wires, disks, flags. One line of text, `key=value` pairs.

use super::settings;
use crate::etcd::cluster::Settings;
use crate::etcd::{Cluster, Machine, Rule, Rules, Snapshots, Timing};
use crate::sim::{DiskProfile, HostId, Link, Micros};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scenario {
    /// 1, 3, 5 or 7.
    pub members: u8,
    /// Machines more, on which a member may be started later.
    pub spares: u8,
    /// One way, between any two machines.
    pub latency: Micros,
    pub jitter: Micros,
    pub disk: DiskKind,
    pub timing: Timing,
    pub rules: Rules,
    pub snapshots: Snapshots,
    /// Limits, compaction, authentication and checks: etcd's other flags.
    pub settings: Settings,
    pub layout: Layout,
    pub terminals: u8,
    /// Kubernetes' API servers, 0 to 5: without one there is no Kubernetes.
    pub apiservers: u8,
}

/// Where members listen, and what they and their cluster are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `etcd-1`, `etcd-2`, … at the usual ports of machines of the same names.
    Machines,
    /// Everything at 127.0.0.1, as somebody tries etcd out: one member `default` at the usual ports, or `infra1`,
    /// `infra2`, … at those of etcd's `Procfile`. Simplified: each is still a machine of its own.
    Localhost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DiskKind {
    Nvme,
    Ssd,
    Hdd,
    Network,
}

impl DiskKind {
    const ALL: [(DiskKind, &'static str); 4] =
        [(DiskKind::Nvme, "nvme"), (DiskKind::Ssd, "ssd"), (DiskKind::Hdd, "hdd"), (DiskKind::Network, "network")];

    pub fn profile(self) -> DiskProfile {
        match self {
            DiskKind::Nvme => DiskProfile::NVME,
            DiskKind::Ssd => DiskProfile::SSD,
            DiskKind::Hdd => DiskProfile::HDD,
            DiskKind::Network => DiskProfile::NETWORK,
        }
    }

    fn name(self) -> &'static str {
        DiskKind::ALL.iter().find(|(kind, _)| *kind == self).map_or("ssd", |(_, name)| name)
    }
}

impl Default for Scenario {
    /// Three members in one rack on SSDs, two terminals.
    fn default() -> Scenario {
        Scenario {
            members: 3,
            spares: 0,
            latency: Link::RACK.latency,
            jitter: Link::RACK.jitter,
            disk: DiskKind::Ssd,
            timing: Timing::default(),
            rules: Rules::default(),
            snapshots: Snapshots::default(),
            settings: Settings::default(),
            layout: Layout::Machines,
            terminals: 2,
            apiservers: 0,
        }
    }
}

impl Scenario {
    /// Names of the machines by host: the members and the spare ones, then the learner's workstation, then the API servers.
    pub fn host_names(&self) -> Vec<String> {
        let members = (1..=self.members + self.spares).map(|number| self.member_name(number));
        members.chain(["workstation".to_owned()]).chain(self.api_server_names()).collect()
    }

    pub fn api_server_names(&self) -> impl Iterator<Item = String> + use<> {
        (1..=self.apiservers).map(|number| format!("apiserver-{number}"))
    }

    pub fn host_named(&self, name: &str) -> Option<HostId> {
        self.host_names().iter().position(|host| host == name).map(|host| HostId(host as u16))
    }

    fn member_name(&self, number: u8) -> String {
        match self.layout {
            Layout::Machines => format!("etcd-{number}"),
            Layout::Localhost if self.members == 1 && number == 1 => "default".to_owned(),
            Layout::Localhost => format!("infra{number}"),
        }
    }

    /// Peer and client URL.
    fn urls(&self, number: u8) -> (String, String) {
        let (host, peer, client) = match self.layout {
            Layout::Machines => (self.member_name(number), 2380, 2379),
            Layout::Localhost => {
                let base = u32::from(number) * 10_000;
                let alone = self.members == 1 && number == 1;
                let client = if number == 1 { 2379 } else { base + 2379 };
                ("127.0.0.1".to_owned(), if alone { 2380 } else { base + 2380 }, client)
            }
        };
        (format!("http://{host}:{peer}"), format!("http://{host}:{client}"))
    }

    /// `--initial-cluster-token`
    fn token(&self) -> &'static str {
        match self.layout {
            Layout::Machines => "etcd-cluster",
            Layout::Localhost => "etcd-cluster-1",
        }
    }

    pub fn link(&self) -> Link {
        Link { latency: self.latency, jitter: self.jitter, ..Link::RACK }
    }

    pub fn cluster(&self) -> Cluster {
        self.cluster_of(self.token())
    }

    /// The cluster as it would be under another `--initial-cluster-token`.
    pub fn cluster_of(&self, token: &str) -> Cluster {
        let machine = |number: u8| {
            let (peer_url, client_url) = self.urls(number);
            Machine { host: HostId(u16::from(number) - 1), name: self.member_name(number), peer_url, client_url }
        };
        let mut machines: Vec<Machine> = (1..=self.members + self.spares).map(machine).collect();
        let spares = machines.split_off(usize::from(self.members));
        let cluster = Cluster::new(token, machines, self.timing, self.rules);
        Cluster { spares, snapshots: self.snapshots, settings: self.settings, ..cluster }
    }

    /// Its text: only what differs from the default.
    pub fn text(&self) -> String {
        let standard = Scenario::default();
        let mut words = vec![format!("members={}", self.members)];
        let mut differs = |differs: bool, word: String| {
            if differs {
                words.push(word);
            }
        };
        differs(self.spares != standard.spares, format!("spares={}", self.spares));
        differs(self.latency != standard.latency, format!("latency={}us", self.latency.0));
        differs(self.jitter != standard.jitter, format!("jitter={}us", self.jitter.0));
        differs(self.disk != standard.disk, format!("disk={}", self.disk.name()));
        let timing = (self.timing, standard.timing);
        differs(
            timing.0.heartbeat != timing.1.heartbeat,
            format!("heartbeat-interval={}", timing.0.heartbeat.0 / 1_000),
        );
        differs(timing.0.election != timing.1.election, format!("election-timeout={}", timing.0.election.0 / 1_000));
        let (snapshots, usual) = (self.snapshots, standard.snapshots);
        differs(snapshots.count != usual.count, format!("snapshot-count={}", snapshots.count));
        differs(snapshots.catch_up != usual.catch_up, format!("snapshot-catchup-entries={}", snapshots.catch_up));
        differs(
            snapshots.segment_bytes != usual.segment_bytes,
            format!("segment-size-bytes={}", snapshots.segment_bytes),
        );
        for rule in self.rules.broken() {
            differs(true, format!("{}=off", rule.name()));
        }
        differs(self.layout == Layout::Localhost, "layout=localhost".to_owned());
        differs(self.terminals != standard.terminals, format!("terminals={}", self.terminals));
        differs(self.apiservers != standard.apiservers, format!("apiservers={}", self.apiservers));
        words.extend(settings::text(&self.settings));
        words.join(" ")
    }

    /// The scenario that this text describes; what it does not name is as in [`Scenario::default`].
    ///
    /// # Errors
    /// Which word is wrong and what was expected.
    pub fn parse(text: &str) -> Result<Scenario, String> {
        let (mut scenario, mut flags) = (Scenario::default(), settings::Flags::default());
        for word in text.split_whitespace() {
            let (key, value) = word.split_once('=').ok_or_else(|| format!("\"{word}\": expected key=value"))?;
            match key {
                "members" => match value {
                    "1" | "3" | "5" | "7" => scenario.members = value.as_bytes()[0] - b'0',
                    _ => return Err(format!("members={value}: expected 1, 3, 5 or 7")),
                },
                "spares" => scenario.spares = number(key, value, 0, 4)? as u8,
                "latency" => scenario.latency = Micros(number(key, value.trim_end_matches("us"), 0, 60_000_000)?),
                "jitter" => scenario.jitter = Micros(number(key, value.trim_end_matches("us"), 0, 60_000_000)?),
                "disk" => {
                    let kind = DiskKind::ALL.iter().find(|(_, name)| *name == value);
                    scenario.disk = kind.ok_or_else(|| format!("disk={value}: expected nvme, ssd, hdd or network"))?.0;
                }
                "heartbeat-interval" => {
                    scenario.timing.heartbeat = Micros::from_millis(number(key, value, 1, 50_000)?);
                }
                "election-timeout" => scenario.timing.election = Micros::from_millis(number(key, value, 5, 50_000)?),
                "snapshot-count" => scenario.snapshots.count = number(key, value, 1, u64::MAX)?,
                "snapshot-catchup-entries" => scenario.snapshots.catch_up = number(key, value, 0, u64::MAX)?,
                "segment-size-bytes" => scenario.snapshots.segment_bytes = number(key, value, 1 << 10, 1 << 30)?,
                "layout" => match value {
                    "machines" => scenario.layout = Layout::Machines,
                    "localhost" => scenario.layout = Layout::Localhost,
                    _ => return Err(format!("layout={value}: expected machines or localhost")),
                },
                "terminals" => scenario.terminals = number(key, value, 1, 8)? as u8,
                "apiservers" => scenario.apiservers = number(key, value, 0, 5)? as u8,
                _ if flags.take(key, value)? => {}
                _ => match (Rule::named(key), value) {
                    (Some(rule), "on") => scenario.rules = scenario.rules.with(rule),
                    (Some(rule), "off") => scenario.rules = scenario.rules.without(rule),
                    (Some(_), _) => return Err(format!("{word}: expected on or off")),
                    (None, _) => {
                        let rules: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
                        return Err(format!(
                            "unknown key \"{key}\"; expected members, spares, latency, jitter, disk, \
                             heartbeat-interval, election-timeout, snapshot-count, snapshot-catchup-entries, \
                             segment-size-bytes, \
                             layout, terminals, apiservers, {} or a rule: {}",
                            settings::keys(),
                            rules.join(", ")
                        ));
                    }
                },
            }
        }
        scenario.settings = flags.finish()?;
        // etcd's own rule, with its own words.
        if scenario.timing.election.0 < 5 * scenario.timing.heartbeat.0 {
            return Err(format!(
                "--election-timeout[{}ms] should be at least as 5 times as --heartbeat-interval[{}ms]",
                scenario.timing.election.0 / 1_000,
                scenario.timing.heartbeat.0 / 1_000
            ));
        }
        Ok(scenario)
    }
}

pub(super) fn number(key: &str, value: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{key}={value}: expected a number from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in [
            "members=3",
            "members=5 latency=20000us jitter=0us disk=hdd heartbeat-interval=300 election-timeout=3000 terminals=1",
            "members=1 fsync-before-ack=off confirm-reads=off",
            "members=1 quota-backend-bytes=1000000 max-request-bytes=4096 max-txn-ops=8 auth-token=jwt bcrypt-cost=10",
            "members=3 auto-compaction-retention=1h30m0s experimental-enable-lease-checkpoint=true",
            "members=3 auto-compaction-mode=revision auto-compaction-retention=1000 \
             experimental-corrupt-check-time=1m0s experimental-initial-corrupt-check=true",
            "members=3 spares=1 snapshot-count=50 snapshot-catchup-entries=10 segment-size-bytes=8192",
            "members=1 layout=localhost",
            "members=3 apiservers=2",
        ] {
            assert_eq!(Scenario::parse(text).unwrap().text(), text);
        }
    }

    #[test]
    fn mistakes_are_named() {
        let wrong = |text| Scenario::parse(text).unwrap_err();
        assert_eq!(wrong("members=4"), "members=4: expected 1, 3, 5 or 7");
        assert_eq!(wrong("three"), "\"three\": expected key=value");
        assert!(wrong("election-timeout=200").starts_with("--election-timeout[200ms] should be at least as 5 times"));
        assert!(wrong("auto-compaction-mode=sometimes").contains("expected periodic or revision"));
        assert!(wrong("auto-compaction-mode=revision auto-compaction-retention=1h").contains("number of revisions"));
        assert!(wrong("bcrypt-cost=31").contains("expected a number from 4 to 14"));
        assert!(wrong("latency=99999999999us").contains("expected a number"));
    }
}
