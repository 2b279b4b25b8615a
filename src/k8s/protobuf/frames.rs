//! A watch in Protobuf: each event behind its length.
//!
//! Upstream: `LengthDelimitedFramer` with the raw serializer. The event is a bare message, the object in it has its envelope.

use serde_json::Value;

use super::wire::{self, Content, Reader};
use crate::k8s::schema::Schema;

/// Longer frames are refused.
///
/// Simplified: a client takes 16 MiB, which is above the largest object that etcd takes.
const FRAME_MAX: usize = 16 << 20;

/// An event of a watch.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchEvent {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`, `ERROR`
    pub kind: String,
    pub object: Value,
}

impl WatchEvent {
    pub fn to_frame(&self, schema: &Schema) -> Result<Vec<u8>, String> {
        let (mut raw, mut event) = (Vec::new(), Vec::new());
        wire::put_bytes(&mut raw, 1, &super::to_bytes(schema, &self.object)?);
        wire::put_bytes(&mut event, 1, self.kind.as_bytes());
        wire::put_bytes(&mut event, 2, &raw);
        let length = u32::try_from(event.len()).map_err(|_| "an event is longer than its length can say")?;
        Ok([&length.to_be_bytes()[..], &event].concat())
    }

    /// The first event of a stream and the bytes that it took; nothing while more of it is to come.
    pub fn from_stream(schema: &Schema, bytes: &[u8]) -> Result<Option<(WatchEvent, usize)>, String> {
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > FRAME_MAX {
            return Err(format!("a frame of {length} bytes, which exceeds the max size of {FRAME_MAX}"));
        }
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        let mut event = WatchEvent { kind: String::new(), object: Value::Null };
        let mut reader = Reader::new(frame);
        while let Some(field) = reader.next("WatchEvent")? {
            match (field.number, field.content) {
                (1, Content::Bytes(kind)) => event.kind = String::from_utf8_lossy(kind).into_owned(),
                (2, Content::Bytes(raw)) => {
                    let mut reader = Reader::new(raw);
                    while let Some(field) = reader.next("RawExtension")? {
                        if let (1, Content::Bytes(object)) = (field.number, field.content) {
                            event.object = super::from_bytes(schema, object)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(Some((event, 4 + length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_in_pieces() {
        let schema = Schema::kubernetes();
        let pod =
            super::super::from_bytes(schema, include_bytes!("../../../tests/testdata/k8s/objects/pod.pb")).unwrap();
        let event = WatchEvent { kind: "ADDED".to_owned(), object: pod };
        let frame = event.to_frame(schema).unwrap();
        for short in 0..frame.len() {
            assert_eq!(WatchEvent::from_stream(schema, &frame[..short]), Ok(None));
        }
        let two = [&frame[..], &frame].concat();
        assert_eq!(WatchEvent::from_stream(schema, &two), Ok(Some((event, frame.len()))));
        assert!(WatchEvent::from_stream(schema, &[0xff; 8]).is_err());
    }
}
