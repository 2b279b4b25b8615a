//! Which objects a list or a watch wants: by labels, and by the few fields that a resource can be selected by.

use super::cache::Cached;
use super::endpoint::Endpoint;
use super::info::Query;
use crate::k8s::meta::status::Status;
use crate::k8s::meta::{fields, labels};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    pub labels: labels::Selector,
    pub fields: fields::Selector,
}

impl Selection {
    /// As a request's query says.
    pub fn of(endpoint: &Endpoint, query: &Query) -> Result<Selection, Status> {
        let unable = |error: String| Status::bad_request(format!("unable to parse requirement: {error}"));
        let labels = labels::Selector::parse(query.get("labelSelector")).map_err(unable)?;
        let fields = fields::Selector::parse(query.get("fieldSelector")).map_err(Status::bad_request)?;
        let fields = endpoint.convert_fields(fields)?;
        Ok(Selection { labels, fields })
    }

    pub fn is_empty(&self) -> bool {
        *self == Selection::default()
    }

    pub fn matches(&self, object: &Cached) -> bool {
        self.labels.matches(&object.labels) && self.fields.matches(&object.fields)
    }
}
