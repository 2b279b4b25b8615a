//! The part of a scenario that is etcd's own flags, under etcd's names.

use super::scenario::number;
use crate::etcd::auth::{TokenKind, password};
use crate::etcd::cluster::{AutoCompaction, Settings};
use crate::shell::etcdctl::flags::parse_duration;
use crate::sim::Micros;

const KEYS: [&str; 9] = [
    "quota-backend-bytes",
    "max-request-bytes",
    "max-txn-ops",
    "auto-compaction-mode",
    "auto-compaction-retention",
    "auth-token",
    "bcrypt-cost",
    "experimental-enable-lease-checkpoint",
    "experimental-corrupt-check-time",
];
const INITIAL_CHECK: &str = "experimental-initial-corrupt-check";

/// The keys that may be given.
pub fn keys() -> String {
    KEYS.join(", ") + ", " + INITIAL_CHECK
}

/// Flags as they are read, before they are known to fit together.
#[derive(Debug, Default)]
pub struct Flags {
    settings: Settings,
    mode: Option<String>,
    retention: Option<String>,
}

impl Flags {
    /// Takes one flag; false if it is none of these.
    pub fn take(&mut self, key: &str, value: &str) -> Result<bool, String> {
        let settings = &mut self.settings;
        match key {
            "quota-backend-bytes" => {
                let expected = || format!("{key}={value}: expected a number of bytes");
                settings.quota_backend_bytes = value.parse().map_err(|_| expected())?;
            }
            "max-request-bytes" => settings.max_request_bytes = number(key, value, 1, 1 << 30)? as usize,
            "max-txn-ops" => settings.max_txn_ops = number(key, value, 0, 1 << 20)? as usize,
            "auto-compaction-mode" => self.mode = Some(value.to_owned()),
            "auto-compaction-retention" => self.retention = Some(value.to_owned()),
            "auth-token" => {
                settings.auth_token = match value {
                    "simple" => TokenKind::Simple,
                    "jwt" => TokenKind::Jwt,
                    _ => return Err(format!("{key}={value}: expected simple or jwt")),
                }
            }
            "bcrypt-cost" => {
                let (least, most) = (u64::from(password::COST_MIN), u64::from(password::COST_MAX));
                settings.bcrypt_cost = number(key, value, least, most)? as u32;
            }
            "experimental-enable-lease-checkpoint" => settings.lease_checkpoint = switch(key, value)?,
            "experimental-corrupt-check-time" => settings.corrupt_check_time = duration(key, value)?,
            INITIAL_CHECK => settings.initial_corrupt_check = switch(key, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub fn finish(mut self) -> Result<Settings, String> {
        let (mode, retention) = (self.mode.as_deref(), self.retention.as_deref().unwrap_or("0"));
        self.settings.auto_compaction = match (mode.unwrap_or("periodic"), retention.parse::<u32>()) {
            ("periodic" | "revision", Ok(0)) => AutoCompaction::Off,
            ("periodic", Ok(hours)) => AutoCompaction::Periodic(Micros::from_secs(u64::from(hours) * 3_600)),
            ("periodic", Err(_)) => AutoCompaction::Periodic(duration("auto-compaction-retention", retention)?),
            ("revision", Ok(kept)) => AutoCompaction::Revision(i64::from(kept)),
            ("revision", Err(_)) => {
                return Err(format!("auto-compaction-retention={retention}: expected a number of revisions"));
            }
            (other, _) => return Err(format!("auto-compaction-mode={other}: expected periodic or revision")),
        };
        Ok(self.settings)
    }
}

/// The flags that differ from etcd's own.
pub fn text(settings: &Settings) -> Vec<String> {
    let usual = Settings::default();
    let mut words = Vec::new();
    let mut differs = |differs: bool, word: String| {
        if differs {
            words.push(word);
        }
    };
    let bytes = settings.quota_backend_bytes;
    differs(bytes != usual.quota_backend_bytes, format!("quota-backend-bytes={bytes}"));
    let bytes = settings.max_request_bytes;
    differs(bytes != usual.max_request_bytes, format!("max-request-bytes={bytes}"));
    differs(settings.max_txn_ops != usual.max_txn_ops, format!("max-txn-ops={}", settings.max_txn_ops));
    match settings.auto_compaction {
        AutoCompaction::Off => {}
        AutoCompaction::Periodic(period) => differs(true, format!("auto-compaction-retention={period}")),
        AutoCompaction::Revision(kept) => {
            differs(true, "auto-compaction-mode=revision".to_owned());
            differs(true, format!("auto-compaction-retention={kept}"));
        }
    }
    differs(settings.auth_token == TokenKind::Jwt, "auth-token=jwt".to_owned());
    differs(settings.bcrypt_cost != usual.bcrypt_cost, format!("bcrypt-cost={}", settings.bcrypt_cost));
    differs(settings.lease_checkpoint, "experimental-enable-lease-checkpoint=true".to_owned());
    let every = settings.corrupt_check_time;
    differs(every != usual.corrupt_check_time, format!("experimental-corrupt-check-time={every}"));
    differs(settings.initial_corrupt_check, format!("{INITIAL_CHECK}=true"));
    words
}

fn switch(key: &str, value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| format!("{key}={value}: expected true or false"))
}

fn duration(key: &str, value: &str) -> Result<Micros, String> {
    parse_duration(value).map_err(|error| format!("{key}={value}: {error}"))
}
