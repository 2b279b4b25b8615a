//! The smaller buckets: their entries by meaning.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message;
use serde_json::{Map, Value};

use super::{Tables, bucket, decode_revision, meta};
use crate::etcd::{api, membership};
use crate::raft::{ConfState, PeerId};

/// What stands beside a removed member's id.
const REMOVED: &[u8] = b"removed";
const AUTH_ENABLED: &[u8] = b"authEnabled";
const AUTH_REVISION: &[u8] = b"authRevision";
const CLUSTER_VERSION: &[u8] = b"clusterVersion";

impl Tables {
    /// A bucket's entries; an absent bucket has none.
    pub fn table(&self, name: &[u8]) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.0.get(name).into_iter().flatten()
    }

    pub fn table_mut(&mut self, name: &'static [u8]) -> &mut BTreeMap<Bytes, Bytes> {
        self.0.entry(Bytes::from_static(name)).or_default()
    }

    pub fn value(&self, bucket: &[u8], key: &[u8]) -> Option<&Bytes> {
        self.0.get(bucket)?.get(key)
    }

    /// The index of the last entry that was applied, and its term. Zero in a database that has applied nothing.
    pub fn applied(&self) -> (u64, u64) {
        (self.number(meta::CONSISTENT_INDEX).unwrap_or(0), self.number(meta::TERM).unwrap_or(0))
    }

    pub fn set_applied(&mut self, index: u64, term: u64) {
        let table = self.table_mut(bucket::META);
        table.insert(Bytes::from_static(meta::CONSISTENT_INDEX), Bytes::copy_from_slice(&index.to_be_bytes()));
        table.insert(Bytes::from_static(meta::TERM), Bytes::copy_from_slice(&term.to_be_bytes()));
    }

    /// Who takes part, as of the last change of membership.
    pub fn conf_state(&self) -> Option<ConfState> {
        let json = parse(self.value(bucket::META, meta::CONF_STATE)?)?;
        let ids = |field: &str| match json.get(field) {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(ids) => ids.as_array()?.iter().map(|id| id.as_u64().map(PeerId)).collect(),
        };
        Some(ConfState {
            voters: ids("voters")?,
            learners: ids("learners")?,
            voters_outgoing: ids("voters_outgoing")?,
            learners_next: ids("learners_next")?,
            auto_leave: json.get("auto_leave").is_some_and(|leave| *leave == Value::Bool(true)),
        })
    }

    pub fn set_conf_state(&mut self, conf_state: &ConfState) {
        let mut json = Map::new();
        let lists = [
            ("voters", &conf_state.voters),
            ("learners", &conf_state.learners),
            ("voters_outgoing", &conf_state.voters_outgoing),
            ("learners_next", &conf_state.learners_next),
        ];
        for (field, ids) in lists.into_iter().filter(|(_, ids)| !ids.is_empty()) {
            json.insert(field.into(), ids.iter().map(|id| id.0).collect());
        }
        json.insert("auto_leave".into(), conf_state.auto_leave.into());
        let table = self.table_mut(bucket::META);
        table.insert(Bytes::from_static(meta::CONF_STATE), go_json(&Value::Object(json)));
    }

    /// Members by the text of their ids.
    pub fn members(&self) -> Vec<api::Member> {
        self.table(bucket::MEMBERS).filter_map(|(key, value)| member(key, value)).collect()
    }

    pub fn set_members(&mut self, members: &[api::Member]) {
        let table = self.table_mut(bucket::MEMBERS);
        table.clear();
        table.extend(members.iter().map(|member| (id_key(member.id), member_json(member))));
    }

    /// Ids that may not come back.
    pub fn removed(&self) -> BTreeSet<u64> {
        self.table(bucket::MEMBERS_REMOVED).filter_map(|(key, _)| parse_id(key)).collect()
    }

    pub fn set_removed(&mut self, ids: &BTreeSet<u64>) {
        let table = self.table_mut(bucket::MEMBERS_REMOVED);
        table.clear();
        table.extend(ids.iter().map(|id| (id_key(*id), Bytes::from_static(REMOVED))));
    }

    pub fn cluster_version(&self) -> Option<&str> {
        std::str::from_utf8(self.value(bucket::CLUSTER, CLUSTER_VERSION)?).ok()
    }

    pub fn set_cluster_version(&mut self, version: &str) {
        let version = Bytes::copy_from_slice(version.as_bytes());
        self.table_mut(bucket::CLUSTER).insert(Bytes::from_static(CLUSTER_VERSION), version);
    }

    pub fn alarms(&self) -> Vec<api::AlarmMember> {
        self.table(bucket::ALARM).filter_map(|(key, _)| api::AlarmMember::decode(key.clone()).ok()).collect()
    }

    pub fn set_alarms(&mut self, alarms: &[api::AlarmMember]) {
        let table = self.table_mut(bucket::ALARM);
        table.clear();
        table.extend(alarms.iter().map(|alarm| (alarm.encode_to_vec().into(), Bytes::new())));
    }

    /// Whether authentication is on, if it ever was; and the auth revision, 0 in a database without one.
    pub fn auth(&self) -> (Option<bool>, u64) {
        let enabled = self.value(bucket::AUTH, AUTH_ENABLED).map(|enabled| enabled[..] == [1]);
        let revision = self.value(bucket::AUTH, AUTH_REVISION).and_then(|value| value[..].try_into().ok());
        (enabled, revision.map_or(0, u64::from_be_bytes))
    }

    pub fn set_auth(&mut self, enabled: Option<bool>, revision: u64) {
        let table = self.table_mut(bucket::AUTH);
        if let Some(enabled) = enabled {
            table.insert(Bytes::from_static(AUTH_ENABLED), Bytes::copy_from_slice(&[u8::from(enabled)]));
        }
        table.insert(Bytes::from_static(AUTH_REVISION), Bytes::copy_from_slice(&revision.to_be_bytes()));
    }

    pub fn users(&self) -> Vec<api::User> {
        self.table(bucket::AUTH_USERS).filter_map(|(_, value)| api::User::decode(value.clone()).ok()).collect()
    }

    pub fn set_users<'a>(&mut self, users: impl Iterator<Item = &'a api::User>) {
        let table = self.table_mut(bucket::AUTH_USERS);
        table.clear();
        table.extend(users.map(|user| (user.name.clone().into(), user.encode_to_vec().into())));
    }

    pub fn roles(&self) -> Vec<api::Role> {
        self.table(bucket::AUTH_ROLES).filter_map(|(_, value)| api::Role::decode(value.clone()).ok()).collect()
    }

    pub fn set_roles<'a>(&mut self, roles: impl Iterator<Item = &'a api::Role>) {
        let table = self.table_mut(bucket::AUTH_ROLES);
        table.clear();
        table.extend(roles.map(|role| (role.name.clone().into(), role.encode_to_vec().into())));
    }

    /// A compaction's revision; -1 if there was none.
    pub(super) fn compaction(&self, key: &[u8]) -> i64 {
        let revision = self.value(bucket::META, key).and_then(|value| decode_revision(value));
        revision.map_or(-1, |revision| revision.main)
    }

    fn number(&self, key: &[u8]) -> Option<u64> {
        self.value(bucket::META, key).and_then(|value| value[..].try_into().ok()).map(u64::from_be_bytes)
    }

    /// What is wrong with an entry of a smaller bucket, if it is one that must have a meaning.
    pub(super) fn complaint(&self, name: &[u8], key: &[u8], value: &[u8]) -> Option<&'static str> {
        match name {
            bucket::META => match key {
                meta::CONSISTENT_INDEX | meta::TERM if value.len() != 8 => Some("not a number of 8 bytes"),
                meta::FINISHED_COMPACTION | meta::SCHEDULED_COMPACTION => match decode_revision(value) {
                    Some(revision) if super::load::is_sane(revision.main) => None,
                    _ => Some("not a revision"),
                },
                meta::CONF_STATE if self.conf_state().is_none() => Some("not a conf state"),
                _ => None,
            },
            bucket::MEMBERS if member(key, value).is_none() => Some("not a member"),
            bucket::MEMBERS_REMOVED if parse_id(key).is_none() => Some("not a member's id"),
            bucket::ALARM if api::AlarmMember::decode(key).is_err() => Some("not an alarm"),
            _ => None,
        }
    }
}

/// A member's id as a key: hexadecimal without leading zeros.
pub(super) fn id_key(id: u64) -> Bytes {
    format!("{id:x}").into()
}

fn parse_id(key: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(key).ok()?, 16).ok()
}

pub(super) fn member_json(member: &api::Member) -> Bytes {
    go_json(&Value::Object(membership::member_json(member)))
}

fn member(key: &[u8], value: &[u8]) -> Option<api::Member> {
    membership::member_of_json(parse_id(key)?, &parse(value)?)
}

fn parse(json: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(json) {
        Ok(Value::Object(json)) => Some(json),
        _ => None,
    }
}

/// JSON as Go writes it: what means something in HTML is escaped. These characters stand nowhere but in strings.
pub(in crate::etcd) fn go_json(json: &Value) -> Bytes {
    let mut text = json.to_string();
    for special in ['<', '>', '&', '\u{2028}', '\u{2029}'] {
        if text.contains(special) {
            text = text.replace(special, &format!("\\u{:04x}", special as u32));
        }
    }
    text.into()
}
