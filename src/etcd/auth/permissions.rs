//! What a user may read and write, from all its roles: spans of keys, joined where they touch.
//!
//! A key is permitted if a span holds it; a range is permitted if one joined span covers all of it.
//! Upstream: `server/auth/range_perm_cache.go` and `pkg/adt/interval_tree.go` of 3.5.

use super::interval_tree::{Interval, IntervalTree};
use crate::etcd::api::{Permission, PermissionType};
use bytes::Bytes;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permitted {
    read: Spans,
    write: Spans,
}

impl Permitted {
    pub fn of<'a>(permissions: impl Iterator<Item = &'a Permission>) -> Permitted {
        let (mut read, mut write) = (Vec::new(), Vec::new());
        for permission in permissions {
            let span = interval(permission);
            let kind = permission.perm_type();
            if kind != PermissionType::Write {
                read.push(span.clone());
            }
            if kind != PermissionType::Read {
                write.push(span);
            }
        }
        Permitted { read: Spans::of(read), write: Spans::of(write) }
    }

    pub fn allows_read(&self, key: &[u8], range_end: &[u8]) -> bool {
        self.read.cover(key, range_end)
    }

    pub fn allows_write(&self, key: &[u8], range_end: &[u8]) -> bool {
        self.write.cover(key, range_end)
    }
}

/// The span of a permission. An empty key stands for a place behind all keys, not for the first one.
fn interval(permission: &Permission) -> Interval {
    let end = match &permission.range_end[..] {
        [] => Some([&permission.key[..], &[0]].concat().into()),
        [0] => None,
        _ => Some(permission.range_end.clone()),
    };
    Interval { begin: Some(permission.key.clone()).filter(|key| !key.is_empty()), end }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Spans {
    /// As they were granted.
    granted: Vec<Interval>,
    /// Those with keys in them, in order and joined, so that they neither overlap nor touch.
    joined: Vec<(Bytes, Option<Bytes>)>,
}

impl Spans {
    fn of(granted: Vec<Interval>) -> Spans {
        let mut proper: Vec<(Bytes, Option<Bytes>)> = granted
            .iter()
            .filter_map(|interval| Some((interval.begin.clone()?, interval.end.clone())))
            .filter(|(begin, end)| end.as_ref().is_none_or(|end| end > begin))
            .collect();
        proper.sort_by(|a, b| a.0.cmp(&b.0));
        let mut joined: Vec<(Bytes, Option<Bytes>)> = Vec::new();
        for (begin, end) in proper {
            match joined.last_mut() {
                Some((_, last)) if last.as_ref().is_none_or(|last| *last >= begin) => {
                    *last = match (last.take(), end) {
                        (Some(a), Some(b)) => Some(a.max(b)),
                        _ => None,
                    };
                }
                _ => joined.push((begin, end)),
            }
        }
        Spans { granted, joined }
    }

    fn cover(&self, key: &[u8], range_end: &[u8]) -> bool {
        if !range_end.is_empty() && range_end != [0] && range_end <= key {
            let wanted =
                Interval { begin: Some(Bytes::copy_from_slice(key)), end: Some(Bytes::copy_from_slice(range_end)) };
            return IntervalTree::of(self.granted.iter()).covers(&wanted);
        }
        let before = self.joined.partition_point(|(begin, _)| begin <= key);
        let Some((_, end)) = before.checked_sub(1).map(|position| &self.joined[position]) else { return false };
        let Some(end) = end else { return true };
        match range_end {
            [] => key < end,
            [0] => false,
            _ => range_end <= end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(perm_type: PermissionType, key: &'static str, range_end: &'static str) -> Permission {
        Permission { perm_type: perm_type as i32, key: key.into(), range_end: range_end.into() }
    }

    #[track_caller]
    fn check(granted: &[(&'static str, &'static str)], key: &str, range_end: &str, expected: bool) {
        let permissions: Vec<Permission> =
            granted.iter().map(|(key, end)| permission(PermissionType::Read, key, end)).collect();
        let permitted = Permitted::of(permissions.iter());
        assert_eq!(permitted.allows_read(key.as_bytes(), range_end.as_bytes()), expected);
        assert!(!permitted.allows_write(key.as_bytes(), range_end.as_bytes()));
    }

    #[test]
    fn a_range_must_be_covered_without_a_gap() {
        let halves = [("a", "c"), ("c", "e"), ("g", "")];
        check(&halves, "a", "e", true);
        check(&halves, "b", "d", true);
        check(&halves, "a", "f", false);
        check(&halves, "g", "", true);
        check(&halves, "g", "g\0", true);
        check(&halves, "g", "h", false);
        check(&halves, "e", "", false);
        check(&[("a", "b"), ("b", ""), ("b\0", "c")], "a", "c", true);
        check(&[("a", "b"), ("ba", "c")], "a", "c", false);
    }

    #[test]
    fn a_zero_byte_stands_for_the_end_of_all_keys() {
        check(&[("b", "\0")], "z", "\0", true);
        check(&[("b", "\0")], "b", "c", true);
        check(&[("b", "\0")], "a", "\0", false);
        check(&[("b", "z")], "b", "\0", false);
        check(&[("a", "b"), ("b", "\0")], "a", "\0", true);
    }

    #[test]
    fn spans_without_a_key_permit_nothing() {
        check(&[("c", "a")], "b", "", false);
        check(&[("c", "a")], "c", "", false);
        check(&[("", "\0")], "a", "", false);
        check(&[("", "")], "a", "", false);
    }

    #[test]
    fn kinds_are_kept_apart() {
        let all = [
            permission(PermissionType::Read, "r", ""),
            permission(PermissionType::Write, "w", ""),
            permission(PermissionType::ReadWrite, "x", ""),
        ];
        let permitted = Permitted::of(all.iter());
        let can = |key: &[u8]| (permitted.allows_read(key, b""), permitted.allows_write(key, b""));
        assert_eq!([can(b"r"), can(b"w"), can(b"x")], [(true, false), (false, true), (true, true)]);
    }
}
