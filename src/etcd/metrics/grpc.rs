//! What go-grpc-prometheus counts: every call by service, method and how it ended.

use super::exposition::{Kind, Page};
use crate::etcd::api::{Request, Rpc};
use crate::etcd::error::Code;
use std::collections::BTreeMap;

/// A method that an etcd server registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    Call(Rpc),
    Watch,
    /// Nothing here calls these; a server registers them all the same.
    Downgrade,
    HealthCheck,
    HealthWatch,
}

const METHODS: usize = Rpc::ALL.len() + 4;

/// Calls by method.
#[derive(Clone, Debug, Hash)]
pub struct Calls {
    counts: [Counts; METHODS],
    failed: BTreeMap<(Method, Code), u64>,
    /// How many began: single calls, and streams.
    unary: u64,
    streams: u64,
}

#[derive(Clone, Copy, Debug, Default, Hash)]
struct Counts {
    started: u64,
    received: u64,
    sent: u64,
    succeeded: u64,
}

impl Default for Calls {
    fn default() -> Calls {
        Calls { counts: [Counts::default(); METHODS], failed: BTreeMap::new(), unary: 0, streams: 0 }
    }
}

/// gRPC's names of all codes.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

impl Method {
    pub fn of(request: &Request) -> Method {
        Method::Call(request.rpc())
    }

    fn all() -> impl Iterator<Item = Method> {
        let others = [Method::Watch, Method::Downgrade, Method::HealthCheck, Method::HealthWatch];
        Rpc::ALL.iter().map(|rpc| Method::Call(*rpc)).chain(others)
    }

    fn position(self) -> usize {
        let others = Rpc::ALL.len();
        match self {
            Method::Call(rpc) => rpc as usize,
            Method::Watch => others,
            Method::Downgrade => others + 1,
            Method::HealthCheck => others + 2,
            Method::HealthWatch => others + 3,
        }
    }

    fn name(self) -> String {
        match self {
            Method::Call(Rpc::HashKv) => "HashKV".to_owned(),
            Method::Call(rpc) => format!("{rpc:?}"),
            Method::Watch | Method::HealthWatch => "Watch".to_owned(),
            Method::Downgrade => "Downgrade".to_owned(),
            Method::HealthCheck => "Check".to_owned(),
        }
    }

    fn service(self) -> &'static str {
        match self {
            Method::Watch => "etcdserverpb.Watch",
            Method::HealthCheck | Method::HealthWatch => "grpc.health.v1.Health",
            Method::Downgrade => "etcdserverpb.Maintenance",
            Method::Call(rpc) => match rpc {
                Rpc::Range | Rpc::Put | Rpc::DeleteRange | Rpc::Txn | Rpc::Compact => "etcdserverpb.KV",
                Rpc::LeaseGrant | Rpc::LeaseRevoke | Rpc::LeaseKeepAlive | Rpc::LeaseTimeToLive | Rpc::LeaseLeases => {
                    "etcdserverpb.Lease"
                }
                Rpc::MemberList | Rpc::MemberAdd | Rpc::MemberRemove | Rpc::MemberUpdate | Rpc::MemberPromote => {
                    "etcdserverpb.Cluster"
                }
                Rpc::Status
                | Rpc::HashKv
                | Rpc::Hash
                | Rpc::Alarm
                | Rpc::Defragment
                | Rpc::MoveLeader
                | Rpc::Snapshot => "etcdserverpb.Maintenance",
                _ => "etcdserverpb.Auth",
            },
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Method::Watch | Method::Call(Rpc::LeaseKeepAlive) => "bidi_stream",
            Method::HealthWatch | Method::Call(Rpc::Snapshot) => "server_stream",
            _ => "unary",
        }
    }
}

impl Calls {
    /// A call, or a stream, began.
    pub fn started(&mut self, method: Method) {
        self.counts[method.position()].started += 1;
        if method.kind() == "unary" {
            self.unary += 1;
        } else {
            self.streams += 1;
        }
    }

    /// The client said something.
    pub fn received(&mut self, method: Method) {
        self.counts[method.position()].received += 1;
    }

    /// The client was told something.
    pub fn sent(&mut self, method: Method) {
        self.counts[method.position()].sent += 1;
    }

    /// It ended: well, or with this code.
    pub fn handled(&mut self, method: Method, failed: Option<Code>) {
        match failed {
            None => self.counts[method.position()].succeeded += 1,
            Some(code) => *self.failed.entry((method, code)).or_default() += 1,
        }
    }

    /// A call came that is a whole one, or a message of a stream that `opens` now or is open.
    pub fn asked(&mut self, method: Method, opens: bool) {
        if opens || method != Method::Call(Rpc::LeaseKeepAlive) {
            self.started(method);
        }
        self.received(method);
    }

    /// It was answered. A stream goes on, as long as nothing is wrong.
    pub fn answered(&mut self, method: Method, failed: Option<Code>) {
        let keep_alive = method == Method::Call(Rpc::LeaseKeepAlive);
        if failed.is_none() {
            self.sent(method);
        }
        if !keep_alive || failed.is_some() {
            self.handled(method, failed);
        }
    }

    pub(super) fn tell(&self, page: &mut Page) {
        let started = ("grpc_server_started_total", "RPCs that this member has begun to serve.", Kind::Counter);
        let handled = ("grpc_server_handled_total", "RPCs that this member has served, by outcome.", Kind::Counter);
        let received = ("grpc_server_msg_received_total", "Messages that came from clients.", Kind::Counter);
        let sent = ("grpc_server_msg_sent_total", "Messages that were sent to clients.", Kind::Counter);
        for method in Method::all() {
            let Counts { started: begun, received: heard, sent: told, succeeded } = self.counts[method.position()];
            let name = method.name();
            let labels =
                [("grpc_method", name.as_str()), ("grpc_service", method.service()), ("grpc_type", method.kind())];
            page.labelled(started, &labels, begun);
            page.labelled(received, &labels, heard);
            page.labelled(sent, &labels, told);
            for code in CODES {
                let with_code = [labels[0], labels[1], labels[2], ("grpc_code", code)];
                page.labelled(handled, &with_code, if code == "OK" { succeeded } else { 0 });
            }
        }
        for ((method, code), count) in &self.failed {
            let (name, code) = (method.name(), code.to_string());
            let labels = [
                ("grpc_code", code.as_str()),
                ("grpc_method", name.as_str()),
                ("grpc_service", method.service()),
                ("grpc_type", method.kind()),
            ];
            page.labelled(handled, &labels, *count);
        }
        let requests = ("etcd_server_client_requests_total", "Requests by clients' API version.", Kind::Counter);
        for (kind, count) in [("unary", self.unary), ("stream", self.streams)] {
            if count > 0 {
                page.labelled(requests, &[("type", kind), ("client_api_version", "3.5")], count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_a_server_is_told_with_every_code() {
        let mut calls = Calls::default();
        let put = Method::Call(Rpc::Put);
        calls.asked(put, false);
        calls.answered(put, Some(Code::ResourceExhausted));
        let renew = Method::Call(Rpc::LeaseKeepAlive);
        [true, false].into_iter().for_each(|opens| {
            calls.asked(renew, opens);
            calls.answered(renew, None);
        });
        let mut page = Page::default();
        calls.tell(&mut page);
        let text = page.text();
        let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        // 5 KV, Watch, 5 Lease, 5 Cluster, 8 Maintenance, 17 Auth, 2 Health.
        assert_eq!(count("grpc_server_started_total{"), 43);
        assert_eq!(count("grpc_server_handled_total{"), 43 * 17);
        for line in [
            r#"grpc_server_handled_total{grpc_code="ResourceExhausted",grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"} 1"#,
            r#"grpc_server_started_total{grpc_method="LeaseKeepAlive",grpc_service="etcdserverpb.Lease",grpc_type="bidi_stream"} 1"#,
            r#"grpc_server_msg_sent_total{grpc_method="LeaseKeepAlive",grpc_service="etcdserverpb.Lease",grpc_type="bidi_stream"} 2"#,
            r#"etcd_server_client_requests_total{client_api_version="3.5",type="stream"} 1"#,
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line}");
        }
    }
}
