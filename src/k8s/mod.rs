//! Kubernetes: its objects, as text and as bytes.
//!
//! An object is a JSON value in Go's order: the form that a real API server prints. `schema` says what the types are; `typed`
//! brings any JSON into that form; `protobuf`, `json` and `yaml` are its notations; `codec` puts them together for bodies of
//! requests and values of etcd. `registry` says what is served and where it lies.
//!
//! Not here: any server. Everything in this folder so far is a function of its arguments.

pub mod apiserver;
pub mod cel;
pub mod codec;
pub mod conversion;
pub mod custom;
pub mod defaults;
pub mod encryption;
pub mod go;
pub mod json;
pub mod jsonpath;
pub mod managed;
pub mod meta;
pub mod patch;
pub mod protobuf;
pub mod registry;
pub mod schema;
pub mod typed;
pub mod validation;
pub mod yaml;
