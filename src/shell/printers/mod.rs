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
use crate::etcd::api::{HashKvResponse, Response, StatusResponse, WatchResponse};

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

const NO_TABLE: &str = "table not supported as output format";
const NO_PROTOBUF: &str = "protobuf not supported as output format";

impl Display {
    /// The answer to a call, or why the format cannot show it.
    pub fn response(&self, response: &Response) -> Result<String, String> {
        match (self.format, response) {
            (Format::Table, Response::MemberList(list)) => Ok(table::member_list(list)),
            (Format::Table, _) => Err(NO_TABLE.to_owned()),
            (Format::Protobuf, response) => Ok(from_bytes(&response.encode_to_vec())),
            (Format::Simple, response) => Ok(simple::response(self, response)),
            (Format::Fields, response) => Ok(fields::response(response)),
            (Format::Json, Response::MemberList(list)) if self.hex => Ok(json::member_list_hex(list) + "\n"),
            (Format::Json, response) => Ok(json::response(response) + "\n"),
        }
    }

    pub fn watch(&self, response: &WatchResponse) -> Result<String, String> {
        match self.format {
            Format::Table => Err(NO_TABLE.to_owned()),
            Format::Protobuf => Ok(from_bytes(&response.encode_to_vec())),
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

/// Rows as `a, b, c`.
fn lines(rows: &[Vec<String>]) -> String {
    rows.iter().map(|row| row.join(", ") + "\n").collect()
}
