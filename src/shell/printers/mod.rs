//! How results look: `-w simple|json|fields|table|protobuf`, byte for byte as etcdctl 3.5.1 prints them.
//!
//! Pure functions of a response; nothing here asks or waits. Text may carry bytes (see [`super::text`]).

mod fields;
pub mod go;
mod json;
mod simple;
pub mod table;

use prost::Message;

use super::text::from_bytes;
use crate::etcd::api::{HashKvResponse, Request, Response, ResponseHeader, StatusResponse, WatchResponse};

/// The value of `-w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    Simple,
    Json,
    Fields,
    Table,
    Protobuf,
}

/// Formats as help and completion list them.
pub const FORMATS: [&str; 5] = ["fields", "json", "protobuf", "simple", "table"];

impl Format {
    pub fn parse(text: &str) -> Option<Format> {
        Some(match text {
            "simple" => Format::Simple,
            "json" => Format::Json,
            "fields" => Format::Fields,
            "table" => Format::Table,
            "protobuf" => Format::Protobuf,
            _ => return None,
        })
    }
}

/// Settings of printing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Display {
    pub format: Format,
    /// Bytes as `\x61`, ids in hexadecimal where the format has a choice.
    pub hex: bool,
    /// Without keys, in the simple format.
    pub value_only: bool,
}

/// What `endpoint health` found out about one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointHealth {
    pub endpoint: String,
    pub took: String,
    /// Nothing: healthy.
    pub error: Option<String>,
}

/// What `snapshot status` found out about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SnapshotStatus {
    pub hash: u32,
    pub revision: i64,
    pub total_key: u64,
    pub total_size: u64,
}

const NO_TABLE: &str = "table not supported as output format";
const NO_PROTOBUF: &str = "protobuf not supported as output format";
const NO_FIELDS: &str = "fields not supported as output format";

impl Display {
    /// The answer to a request, or why the format cannot show it.
    pub fn answer(&self, request: &Request, response: &Response) -> Result<String, String> {
        match (self.format, response) {
            (Format::Table, Response::MemberList(list)) => Ok(table::member_list(list)),
            (Format::Table, _) => Err(NO_TABLE.to_owned()),
            (Format::Protobuf, response) => protobuf(response),
            (Format::Simple, response) => Ok(simple::answer(self, request, response)),
            (Format::Fields, response) => fields::response(response).ok_or_else(|| NO_FIELDS.to_owned()),
            (Format::Json, Response::MemberList(list)) if self.hex => Ok(json::member_list_hex(list) + "\n"),
            (Format::Json, response) => Ok(json::response(response) + "\n"),
        }
    }

    /// `move-leader` names the old leader, whom neither request nor response know.
    pub fn moved_leader(&self, from: u64, to: u64, response: &Response) -> Result<String, String> {
        match self.format {
            Format::Simple => Ok(format!("Leadership transferred from {from:x} to {to:x}\n")),
            Format::Fields => Err(NO_FIELDS.to_owned()),
            Format::Table => Err(NO_TABLE.to_owned()),
            Format::Protobuf => protobuf(response),
            Format::Json => Ok(json::response(response) + "\n"),
        }
    }

    pub fn snapshot_status(&self, status: &SnapshotStatus) -> Result<String, String> {
        match self.format {
            Format::Simple => Ok(lines(&table::snapshot_rows(status))),
            Format::Table => Ok(table::snapshot_status(status)),
            Format::Fields => Ok(fields::snapshot_status(status)),
            Format::Json => Ok(json::snapshot_status(status) + "\n"),
            Format::Protobuf => Err(NO_PROTOBUF.to_owned()),
        }
    }

    pub fn watch(&self, response: &WatchResponse) -> Result<String, String> {
        match self.format {
            Format::Table => Err(NO_TABLE.to_owned()),
            // Event after event, without anything between them.
            Format::Protobuf => Ok(response.events.iter().map(|event| from_bytes(&event.encode_to_vec())).collect()),
            Format::Simple => Ok(simple::watch(self, response)),
            Format::Fields => Ok(fields::watch(response)),
            Format::Json => Ok(json::watch(response) + "\n"),
        }
    }

    pub fn endpoint_status(&self, list: &[(String, StatusResponse)]) -> Result<String, String> {
        match self.format {
            Format::Simple => Ok(lines(&table::status_rows(list))),
            Format::Table => Ok(table::endpoint_status(list)),
            Format::Fields => Ok(fields::endpoint_status(list)),
            Format::Json => Ok(json::endpoint_status(list) + "\n"),
            Format::Protobuf => Err(NO_PROTOBUF.to_owned()),
        }
    }

    pub fn endpoint_hash_kv(&self, list: &[(String, HashKvResponse)]) -> Result<String, String> {
        match self.format {
            Format::Simple => Ok(lines(&table::hash_rows(list))),
            Format::Table => Ok(table::endpoint_hash_kv(list)),
            Format::Fields => Ok(fields::endpoint_hash_kv(list)),
            Format::Json => Ok(json::endpoint_hash_kv(list) + "\n"),
            Format::Protobuf => Err(NO_PROTOBUF.to_owned()),
        }
    }

    /// For standard output and for standard error.
    pub fn endpoint_health(&self, list: &[EndpointHealth]) -> Result<(String, String), String> {
        match self.format {
            Format::Simple => Ok(simple::endpoint_health(list)),
            Format::Table => Ok((table::endpoint_health(list), String::new())),
            Format::Fields => Ok((fields::endpoint_health(list), String::new())),
            Format::Json => Ok((json::endpoint_health(list) + "\n", String::new())),
            Format::Protobuf => Err(NO_PROTOBUF.to_owned()),
        }
    }
}

/// Of a lease's answers clientv3's structs know only their header's encoding, and of a revoked one none at all.
fn protobuf(response: &Response) -> Result<String, String> {
    let header = || response.header().cloned().unwrap_or_default();
    match response {
        Response::LeaseGrant(_)
        | Response::LeaseKeepAlive(_)
        | Response::LeaseTimeToLive(_)
        | Response::LeaseLeases(_) => Ok(from_bytes(&header().encode_to_vec())),
        Response::LeaseRevoke(_) => {
            let shown = proto_text(&header());
            Err(format!("marshal unsupported for type clientv3.LeaseRevokeResponse ({{{shown} {{}} [] 0}})"))
        }
        response => Ok(from_bytes(&response.encode_to_vec())),
    }
}

/// A header as Go's Protobuf prints a message: what is not at its default, each with a blank behind.
fn proto_text(header: &ResponseHeader) -> String {
    let fields = [
        ("cluster_id", header.cluster_id.to_string()),
        ("member_id", header.member_id.to_string()),
        ("revision", header.revision.to_string()),
        ("raft_term", header.raft_term.to_string()),
    ];
    fields.iter().filter(|(_, value)| value != "0").map(|(name, value)| format!("{name}:{value} ")).collect()
}

/// Rows as `a, b, c`.
fn lines(rows: &[Vec<String>]) -> String {
    rows.iter().map(|row| row.join(", ") + "\n").collect()
}
