//! Pages: how they are laid out, and what may be wrong with one.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The page size that [`Writer`](super::Writer) uses: that of the machines etcd runs on.
pub const PAGE_SIZE: usize = 4096;

/// A page's kind, as its header's flags say it.
pub(super) const KIND_BRANCH: u16 = 0x01;
pub(super) const KIND_LEAF: u16 = 0x02;
pub(super) const KIND_META: u16 = 0x04;
pub(super) const KIND_FREELIST: u16 = 0x10;

/// Bytes of a page's header, of an element of either kind, and of a bucket's header.
pub(super) const HEADER: usize = 16;
pub(super) const ELEMENT: usize = 16;
pub(super) const BUCKET_HEADER: usize = 16;
/// Bytes of a meta page that mean something.
pub(super) const META: usize = HEADER + 64;
/// A leaf element whose value is a bucket.
pub(super) const ELEMENT_BUCKET: u32 = 1;
/// Instead of the freelist's page: what is free follows from what is reachable. etcd writes its databases so.
pub(super) const NO_FREELIST: u64 = u64::MAX;
/// The first two pages are the metas.
pub(super) const FIRST_PAGE: u64 = 2;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;

/// Page sizes that bbolt looks for: 1 KiB to 16 MiB.
pub(super) const PAGE_SIZES: std::ops::RangeInclusive<usize> = 1 << 10..=1 << 24;

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoltError {
    /// Neither meta page can be used: what is wrong with the first and with the second.
    Meta([Damage; 2]),
    Damaged {
        page: u64,
        why: Damage,
    },
}

/// What is wrong with a page. Where bbolt or its check has a text for it, that is the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    NotAMeta,
    VersionMismatch,
    Checksum,
    /// The meta page names a page that cannot be what it says: the root or the freelist.
    BadMeta(&'static str),
    OutOfBounds {
        high_water: u64,
    },
    /// The file ends before the page does.
    PastEnd {
        len: u64,
    },
    WrongId(u64),
    InvalidType(u16),
    MultipleReferences,
    AlreadyFreed,
    ReachableFreed,
    UnreachableUnfreed,
    /// A freelist longer than its page.
    FreelistOverflow,
    EmptyBranch,
    /// An element reaches beyond the page.
    ElementBeyondPage {
        element: usize,
    },
    /// The elements say that they hold more than the page has.
    ElementsOverlap,
    ElementFlags {
        element: usize,
        flags: u32,
    },
    EmptyKey {
        element: usize,
    },
    KeyOrder {
        element: usize,
    },
    /// The page's first key is below the key that led to the page, or that one below what came before.
    KeyBelowBranch,
    BucketTooShort {
        element: usize,
    },
    TooDeep,
}

impl fmt::Display for BoltError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // No damage: this is no such file at all.
            BoltError::Meta([Damage::NotAMeta, Damage::NotAMeta]) => f.write_str("invalid database"),
            BoltError::Meta([first, second]) => write!(f, "page 0: {first}; page 1: {second}"),
            BoltError::Damaged { page, why } => write!(f, "page {page}: {why}"),
        }
    }
}

impl std::error::Error for BoltError {}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::NotAMeta => f.write_str("invalid database"),
            Damage::VersionMismatch => f.write_str("version mismatch"),
            Damage::Checksum => f.write_str("checksum error"),
            Damage::BadMeta(what) => write!(f, "{what} out of bounds"),
            Damage::OutOfBounds { high_water } => write!(f, "out of bounds: {high_water}"),
            Damage::PastEnd { len } => write!(f, "beyond the end of the file, which has {len} bytes"),
            Damage::WrongId(id) => write!(f, "self identifies as {id}"),
            Damage::InvalidType(flags) => write!(f, "invalid type: {}", TypeName(*flags)),
            Damage::MultipleReferences => f.write_str("multiple references"),
            Damage::AlreadyFreed => f.write_str("already freed"),
            Damage::ReachableFreed => f.write_str("reachable freed"),
            Damage::UnreachableUnfreed => f.write_str("unreachable unfreed"),
            Damage::FreelistOverflow => f.write_str("freelist is longer than its page"),
            Damage::EmptyBranch => f.write_str("branch without children"),
            Damage::ElementBeyondPage { element } => write!(f, "element {element} reaches beyond the page"),
            Damage::ElementsOverlap => f.write_str("elements hold more than the page"),
            Damage::ElementFlags { element, flags } => write!(f, "element {element} has unexpected flags: {flags:x}"),
            Damage::EmptyKey { element } => write!(f, "key {element} is empty"),
            Damage::KeyOrder { element } => write!(f, "key {element} is not above the key before it"),
            Damage::KeyBelowBranch => f.write_str("first key does not fit the branch above"),
            Damage::BucketTooShort { element } => write!(f, "element {element} is too short for a bucket"),
            Damage::TooDeep => f.write_str("tree is too deep"),
        }
    }
}

/// bbolt's name of a page's kind.
struct TypeName(u16);

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            flags if flags & KIND_BRANCH != 0 => f.write_str("branch"),
            flags if flags & KIND_LEAF != 0 => f.write_str("leaf"),
            flags if flags & KIND_META != 0 => f.write_str("meta"),
            flags if flags & KIND_FREELIST != 0 => f.write_str("freelist"),
            flags => write!(f, "unknown<{flags:02x}>"),
        }
    }
}

/// What a meta page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub page_size: usize,
    pub root: u64,
    pub freelist: u64,
    /// One more than the highest page in use.
    pub high_water: u64,
    pub txid: u64,
}

impl Meta {
    /// Reads the first [`META`] bytes of a meta page.
    pub fn parse(page: &[u8]) -> Result<Meta, Damage> {
        let Some(mut fields) = page.get(HEADER..META) else { return Err(Damage::NotAMeta) };
        let sum = fnv1a(&fields[..56]);
        if fields.get_u32_le() != MAGIC {
            return Err(Damage::NotAMeta);
        }
        if fields.get_u32_le() != VERSION {
            return Err(Damage::VersionMismatch);
        }
        let page_size = fields.get_u32_le() as usize;
        fields.advance(4);
        let root = fields.get_u64_le();
        fields.advance(8);
        let meta = Meta {
            page_size,
            root,
            freelist: fields.get_u64_le(),
            high_water: fields.get_u64_le(),
            txid: fields.get_u64_le(),
        };
        if fields.get_u64_le() != sum {
            return Err(Damage::Checksum);
        }
        if !page_size.is_power_of_two() || !PAGE_SIZES.contains(&page_size) {
            return Err(Damage::BadMeta("page size"));
        }
        Ok(meta)
    }

    /// The meta page with this id, without the zeros that fill it up.
    pub fn encode(&self, id: u64) -> Bytes {
        let mut fields = BytesMut::with_capacity(META);
        Header { id, flags: KIND_META, count: 0, overflow: 0 }.encode(&mut fields);
        fields.put_u32_le(MAGIC);
        fields.put_u32_le(VERSION);
        fields.put_u32_le(self.page_size as u32);
        fields.put_u32_le(0);
        fields.put_u64_le(self.root);
        fields.put_u64_le(0);
        fields.put_u64_le(self.freelist);
        fields.put_u64_le(self.high_water);
        fields.put_u64_le(self.txid);
        fields.put_u64_le(fnv1a(&fields[HEADER..]));
        fields.freeze()
    }
}

/// The 64-bit FNV-1a hash.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The head of every page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub id: u64,
    pub flags: u16,
    pub count: u16,
    pub overflow: u32,
}

impl Header {
    /// `None` if there are fewer bytes than a header has.
    pub fn parse(mut page: &[u8]) -> Option<Header> {
        (page.len() >= HEADER).then(|| Header {
            id: page.get_u64_le(),
            flags: page.get_u16_le(),
            count: page.get_u16_le(),
            overflow: page.get_u32_le(),
        })
    }

    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u64_le(self.id);
        out.put_u16_le(self.flags);
        out.put_u16_le(self.count);
        out.put_u32_le(self.overflow);
    }
}

/// What an element says. Positions are in bytes from the start of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    /// Of a leaf.
    pub flags: u32,
    /// Of a branch.
    pub child: u64,
    pub key: usize,
    pub value: usize,
    pub end: usize,
}

/// Reads element `i` of a page whose elements' heads were checked to be there.
pub(super) fn element(page: &[u8], kind: u16, i: usize) -> Option<Element> {
    let at = HEADER + ELEMENT * i;
    let mut fields = page.get(at..at + ELEMENT)?;
    let flags = if kind == KIND_LEAF { fields.get_u32_le() } else { 0 };
    let key = at.checked_add(fields.get_u32_le() as usize)?;
    let value = key.checked_add(fields.get_u32_le() as usize)?;
    let (child, end) = match kind {
        KIND_LEAF => (0, value.checked_add(fields.get_u32_le() as usize)?),
        _ => (fields.get_u64_le(), value),
    };
    (end <= page.len()).then_some(Element { flags, child, key, value, end })
}
