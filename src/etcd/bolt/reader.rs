//! Reading: a walk over the tree of buckets in key order that asks for the bytes it needs.
//!
//! ```text
//!   step ──> Read { at, len } ──(supply)──> step ──> Item ──> step ──> ... ──> Done
//! ```
//!
//! The file is taken for hostile. A page is visited once, ids stay below the high-water mark and that within the file,
//! a page is checked as a whole before anything of it is yielded, and the work is linear in the file's length.

use bytes::{Buf, Bytes};

use super::page::{
    BUCKET_HEADER, BoltError, Damage, ELEMENT, ELEMENT_BUCKET, Element, FIRST_PAGE, HEADER, Header, KIND_BRANCH,
    KIND_FREELIST, KIND_LEAF, META, Meta, NO_FREELIST, PAGE_SIZE, PAGE_SIZES, element,
};

/// Levels of pages and nested buckets together. A real database has a handful.
const DEPTH_MAX: usize = 128;

/// What a page of the tree may be, and what the freelist's must be.
const KINDS: [u16; 3] = [KIND_BRANCH, KIND_LEAF, KIND_FREELIST];

/// What the reader wants or has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Hand these bytes of the file to [`Reader::supply`].
    Read {
        at: u64,
        len: usize,
    },
    Item(Item),
    /// Everything was read and is sound.
    Done,
}

/// What a file holds, in the order of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// What follows, up to its [`Item::End`], is in this bucket of the one before.
    Bucket {
        name: Bytes,
        sequence: u64,
    },
    Pair {
        key: Bytes,
        value: Bytes,
    },
    /// The innermost open bucket ends.
    End,
}

/// A walk over a file.
#[derive(Clone, Debug)]
pub struct Reader {
    len: u64,
    meta: Meta,
    phase: Phase,
    /// The range that was asked for.
    wanted: Option<(u64, usize)>,
    supplied: Option<Bytes>,
    /// Pages that were visited, and those the freelist names.
    reached: PageSet,
    freed: PageSet,
    visited: u64,
    /// Pages from the root down to where the walk is.
    stack: Vec<Frame>,
    /// The last key of each open bucket.
    last: Vec<Option<Bytes>>,
    failed: Option<BoltError>,
}

#[derive(Clone, Debug)]
enum Phase {
    Begin,
    FirstMeta,
    /// The second one lies where the first says, or wherever one can be found.
    SecondMeta {
        first: Result<Meta, Damage>,
        at: usize,
        why: Damage,
    },
    /// Waits for page `id`, or with `whole` for all that it overflows into as well.
    Page {
        id: u64,
        whole: bool,
        purpose: Purpose,
    },
    Walk,
    Done,
}

#[derive(Clone, Debug)]
enum Purpose {
    Freelist,
    /// Keys from `floor` on; the root of a bucket or not.
    Tree {
        floor: Bytes,
        bucket: bool,
    },
}

/// A page on the way from the root.
#[derive(Clone, Debug)]
struct Frame {
    id: u64,
    page: Bytes,
    kind: u16,
    count: usize,
    next: usize,
    /// The bucket ends with this page.
    bucket: bool,
}

impl Reader {
    /// A walk over a file of this length.
    pub fn new(len: u64) -> Reader {
        Reader {
            len,
            meta: Meta { page_size: PAGE_SIZE, root: 0, freelist: NO_FREELIST, high_water: 0, txid: 0 },
            phase: Phase::Begin,
            wanted: None,
            supplied: None,
            reached: PageSet::default(),
            freed: PageSet::default(),
            visited: 0,
            stack: Vec::new(),
            last: Vec::new(),
            failed: None,
        }
    }

    /// The size that bbolt reports of the database: its pages up to the high-water mark. Known from the first item on.
    pub fn size(&self) -> u64 {
        self.meta.high_water * self.meta.page_size as u64
    }

    /// Bytes of the pages that were visited so far.
    pub fn visited(&self) -> u64 {
        self.visited * self.meta.page_size as u64
    }

    /// The page that the last item lies on.
    pub fn page(&self) -> Option<u64> {
        self.stack.last().map(|frame| frame.id)
    }

    /// Hands over what [`Step::Read`] asked for. Anything shorter counts as the end of the file.
    pub fn supply(&mut self, bytes: Bytes) {
        self.supplied = Some(bytes);
    }

    /// Goes on by at most one page. After an error it stays at that error.
    pub fn step(&mut self) -> Result<Step, BoltError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.advance();
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    fn advance(&mut self) -> Result<Step, BoltError> {
        loop {
            let bytes = match (self.wanted.take(), self.supplied.take()) {
                (None, _) => Bytes::new(),
                (Some(_), Some(bytes)) => bytes,
                (Some((at, len)), None) => {
                    self.wanted = Some((at, len));
                    return Ok(Step::Read { at, len });
                }
            };
            match std::mem::replace(&mut self.phase, Phase::Walk) {
                Phase::Begin => self.want(Phase::FirstMeta, 0, META as u64),
                Phase::FirstMeta => {
                    let first = Meta::parse(&bytes);
                    let at = first.as_ref().map_or(*PAGE_SIZES.start(), |meta| meta.page_size);
                    self.want(Phase::SecondMeta { first, at, why: Damage::NotAMeta }, at as u64, META as u64);
                }
                Phase::SecondMeta { first, at, why } => self.second_meta(first, at, why, &bytes)?,
                Phase::Page { id, whole, purpose } => self.arrived(id, whole, purpose, bytes)?,
                Phase::Walk => {
                    if let Some(item) = self.walk()? {
                        return Ok(Step::Item(item));
                    }
                }
                Phase::Done => {
                    self.phase = Phase::Done;
                    return Ok(Step::Done);
                }
            }
        }
    }

    /// Asks for a range, or for as much of it as the file has, to go on with in `phase`.
    fn want(&mut self, phase: Phase, at: u64, len: u64) {
        self.phase = phase;
        let len = len.min(self.len.saturating_sub(at)) as usize;
        self.supplied = (len == 0).then(Bytes::new);
        self.wanted = Some((at, len));
    }

    fn second_meta(
        &mut self,
        first: Result<Meta, Damage>,
        at: usize,
        why: Damage,
        bytes: &[u8],
    ) -> Result<(), BoltError> {
        let second = match Meta::parse(bytes) {
            Ok(meta) if meta.page_size != at => Err(Damage::BadMeta("page size")),
            second => second,
        };
        match (first, second) {
            (Ok(first), Ok(second)) if second.txid > first.txid => self.open(1, second),
            (Ok(first), _) => self.open(0, first),
            (Err(_), Ok(second)) => self.open(1, second),
            (Err(first), Err(second)) => {
                let why = if second == Damage::NotAMeta { why } else { second };
                let next = at * 2;
                if !PAGE_SIZES.contains(&next) || next as u64 >= self.len {
                    return Err(BoltError::Meta([first, why]));
                }
                self.want(Phase::SecondMeta { first: Err(first), at: next, why }, next as u64, META as u64);
                Ok(())
            }
        }
    }

    /// Takes `meta`, found on page `id`, for the truth.
    fn open(&mut self, id: u64, meta: Meta) -> Result<(), BoltError> {
        let damaged = |why| Err(BoltError::Damaged { page: id, why });
        let in_bounds = |page: u64| (FIRST_PAGE..meta.high_water).contains(&page);
        if !in_bounds(meta.root) {
            return damaged(Damage::BadMeta("root"));
        }
        if meta.freelist != NO_FREELIST && !in_bounds(meta.freelist) {
            return damaged(Damage::BadMeta("freelist"));
        }
        let pages = self.len / meta.page_size as u64;
        if meta.high_water > pages {
            return Err(BoltError::Damaged { page: pages, why: Damage::PastEnd { len: self.len } });
        }
        self.meta = meta;
        self.reached = PageSet::new(meta.high_water);
        self.freed = PageSet::new(meta.high_water);
        match meta.freelist {
            NO_FREELIST => self.visit_root(),
            page => {
                self.fetch(page, Purpose::Freelist);
                Ok(())
            }
        }
    }

    fn fetch(&mut self, id: u64, purpose: Purpose) {
        let size = self.meta.page_size as u64;
        self.want(Phase::Page { id, whole: false, purpose }, id * size, size);
    }

    fn visit_root(&mut self) -> Result<(), BoltError> {
        self.last.push(None);
        self.visit(self.meta.root, Bytes::new(), true)
    }

    /// Goes to a page whose keys are to be from `floor` on.
    fn visit(&mut self, id: u64, floor: Bytes, bucket: bool) -> Result<(), BoltError> {
        let high_water = self.meta.high_water;
        if !(FIRST_PAGE..high_water).contains(&id) {
            return Err(BoltError::Damaged { page: id, why: Damage::OutOfBounds { high_water } });
        }
        if self.stack.len() >= DEPTH_MAX {
            return Err(BoltError::Damaged { page: id, why: Damage::TooDeep });
        }
        self.fetch(id, Purpose::Tree { floor, bucket });
        Ok(())
    }

    fn arrived(&mut self, id: u64, whole: bool, purpose: Purpose, bytes: Bytes) -> Result<(), BoltError> {
        let damaged = |why| Err(BoltError::Damaged { page: id, why });
        let Some(header) = Header::parse(&bytes) else { return damaged(Damage::PastEnd { len: self.len }) };
        let size = self.meta.page_size as u64 * (1 + u64::from(header.overflow));
        if !whole {
            let kinds = if matches!(purpose, Purpose::Freelist) { &KINDS[2..] } else { &KINDS[..2] };
            if !kinds.contains(&header.flags) {
                return damaged(Damage::InvalidType(header.flags));
            }
            if header.id != id {
                return damaged(Damage::WrongId(header.id));
            }
            self.reach(id, header.overflow)?;
            if header.overflow > 0 {
                self.want(Phase::Page { id, whole: true, purpose }, id * self.meta.page_size as u64, size);
                return Ok(());
            }
        }
        if (bytes.len() as u64) < size {
            return damaged(Damage::PastEnd { len: self.len });
        }
        let count = header.count;
        match purpose {
            Purpose::Freelist => self.freelist(id, count, bytes.slice(HEADER..)),
            Purpose::Tree { floor, bucket } => {
                self.enter(Frame { id, page: bytes, kind: header.flags, count: count.into(), next: 0, bucket }, &floor)
            }
        }
    }

    fn freelist(&mut self, id: u64, count: u16, mut ids: Bytes) -> Result<(), BoltError> {
        let damaged = |page, why| Err(BoltError::Damaged { page, why });
        // A count that does not fit the header is the list's first element.
        let count = match count {
            u16::MAX => ids.get_u64_le(),
            count => u64::from(count),
        };
        if count > ids.len() as u64 / 8 {
            return damaged(id, Damage::FreelistOverflow);
        }
        for _ in 0..count {
            let free = ids.get_u64_le();
            if !(FIRST_PAGE..self.meta.high_water).contains(&free) {
                return damaged(free, Damage::OutOfBounds { high_water: self.meta.high_water });
            }
            if !self.freed.insert(free) {
                return damaged(free, Damage::AlreadyFreed);
            }
        }
        self.visit_root()
    }

    /// Marks a page and those it overflows into as visited.
    fn reach(&mut self, id: u64, overflow: u32) -> Result<(), BoltError> {
        let high_water = self.meta.high_water;
        let end = id + u64::from(overflow);
        if end >= high_water {
            return Err(BoltError::Damaged { page: end, why: Damage::OutOfBounds { high_water } });
        }
        self.visited += 1 + u64::from(overflow);
        for page in id..=end {
            if !self.reached.insert(page) {
                return Err(BoltError::Damaged { page, why: Damage::MultipleReferences });
            }
            if self.freed.contains(page) {
                return Err(BoltError::Damaged { page, why: Damage::ReachableFreed });
            }
        }
        Ok(())
    }

    /// Checks a page as a whole and walks into it.
    fn enter(&mut self, frame: Frame, floor: &[u8]) -> Result<(), BoltError> {
        let last = self.last.last_mut().expect("a page belongs to an open bucket");
        match check(&frame, floor, last.as_deref()) {
            Err(why) => return Err(BoltError::Damaged { page: frame.id, why }),
            Ok(Some(highest)) if frame.kind == KIND_LEAF => *last = Some(frame.page.slice(highest)),
            Ok(_) => {}
        }
        self.stack.push(frame);
        Ok(())
    }

    /// The next item of the page at hand, if it yields one.
    fn walk(&mut self) -> Result<Option<Item>, BoltError> {
        let Some(frame) = self.stack.last_mut() else {
            self.phase = Phase::Done;
            return self.all_pages_accounted_for().map(|()| None);
        };
        if frame.next == frame.count {
            let ended = frame.bucket;
            self.stack.pop();
            if ended {
                self.last.pop();
            }
            // The root is a bucket without a name.
            return Ok((ended && !self.stack.is_empty()).then_some(Item::End));
        }
        let at = frame.next;
        frame.next += 1;
        let Element { flags, child, key, value, end } =
            element(&frame.page, frame.kind, at).expect("the page was checked as a whole");
        let (id, key, value) = (frame.id, frame.page.slice(key..value), frame.page.slice(value..end));
        if frame.kind == KIND_BRANCH {
            self.visit(child, key, false)?;
            return Ok(None);
        }
        if flags & ELEMENT_BUCKET == 0 {
            return Ok(Some(Item::Pair { key, value }));
        }
        let sequence = self.open_bucket(id, at, value)?;
        Ok(Some(Item::Bucket { name: key, sequence }))
    }

    /// Walks into the bucket that `value`, element `element` of page `id`, is. Returns its sequence.
    fn open_bucket(&mut self, id: u64, element: usize, mut value: Bytes) -> Result<u64, BoltError> {
        let damaged = |why| Err(BoltError::Damaged { page: id, why });
        if value.len() < BUCKET_HEADER {
            return damaged(Damage::BucketTooShort { element });
        }
        let (root, sequence) = (value.get_u64_le(), value.get_u64_le());
        self.last.push(None);
        if root != 0 {
            self.visit(root, Bytes::new(), true)?;
            return Ok(sequence);
        }
        let Some(header) = Header::parse(&value) else { return damaged(Damage::BucketTooShort { element }) };
        if header.flags != KIND_LEAF {
            return damaged(Damage::InvalidType(header.flags));
        }
        if self.stack.len() >= DEPTH_MAX {
            return damaged(Damage::TooDeep);
        }
        let count = header.count.into();
        self.enter(Frame { id, page: value, kind: KIND_LEAF, count, next: 0, bucket: true }, b"")?;
        Ok(sequence)
    }

    /// With a freelist, a page that is neither in use nor free was lost.
    fn all_pages_accounted_for(&self) -> Result<(), BoltError> {
        if self.meta.freelist == NO_FREELIST {
            return Ok(());
        }
        let lost = |page: &u64| !self.reached.contains(*page) && !self.freed.contains(*page);
        match (FIRST_PAGE..self.meta.high_water).find(lost) {
            Some(page) => Err(BoltError::Damaged { page, why: Damage::UnreachableUnfreed }),
            None => Ok(()),
        }
    }
}

/// Checks a page: elements within it, keys ascending, not below `floor` and above `last`. Returns where the highest key
/// lies.
fn check(frame: &Frame, floor: &[u8], last: Option<&[u8]>) -> Result<Option<std::ops::Range<usize>>, Damage> {
    let Frame { page, kind, count, .. } = frame;
    if *kind == KIND_BRANCH && *count == 0 {
        return Err(Damage::EmptyBranch);
    }
    // An empty floor is that of a bucket's root.
    if !floor.is_empty() && last.is_some_and(|last| floor <= last) {
        return Err(Damage::KeyBelowBranch);
    }
    let mut room = page.len().checked_sub(HEADER + ELEMENT * count).ok_or(Damage::ElementsOverlap)?;
    let mut highest: Option<std::ops::Range<usize>> = None;
    for i in 0..*count {
        let found = element(page, *kind, i).ok_or(Damage::ElementBeyondPage { element: i })?;
        // Data of their own for all elements: otherwise a small page could stand for a vast amount of work.
        room = room.checked_sub(found.end - found.key).ok_or(Damage::ElementsOverlap)?;
        if found.flags & !ELEMENT_BUCKET != 0 {
            return Err(Damage::ElementFlags { element: i, flags: found.flags });
        }
        let key = &page[found.key..found.value];
        if key.is_empty() {
            return Err(Damage::EmptyKey { element: i });
        }
        match highest {
            None if key < floor => return Err(Damage::KeyBelowBranch),
            Some(before) if key <= &page[before.clone()] => return Err(Damage::KeyOrder { element: i }),
            _ => highest = Some(found.key..found.value),
        }
    }
    Ok(highest)
}

/// Everything in a file that is at hand as a whole; what is yielded shares its bytes.
pub fn items(file: &Bytes) -> Items {
    Items { reader: Reader::new(file.len() as u64), file: file.clone() }
}

/// See [`items`].
#[derive(Clone, Debug)]
pub struct Items {
    reader: Reader,
    file: Bytes,
}

impl Items {
    /// The reader, for what it knows beside the items.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }
}

impl Iterator for Items {
    type Item = Result<Item, BoltError>;

    /// Ends after the first error.
    fn next(&mut self) -> Option<Result<Item, BoltError>> {
        if self.reader.failed.is_some() {
            return None;
        }
        loop {
            match self.reader.step() {
                Ok(Step::Read { at, len }) => self.reader.supply(self.file.slice(at as usize..at as usize + len)),
                Ok(Step::Item(item)) => return Some(Ok(item)),
                Ok(Step::Done) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// A set of pages: one bit each.
#[derive(Clone, Debug, Default)]
struct PageSet(Vec<u64>);

impl PageSet {
    fn new(pages: u64) -> PageSet {
        PageSet(vec![0; pages.div_ceil(64) as usize])
    }

    fn contains(&self, page: u64) -> bool {
        self.0[page as usize / 64] >> (page % 64) & 1 == 1
    }

    /// False if it was there already.
    fn insert(&mut self, page: u64) -> bool {
        let fresh = !self.contains(page);
        self.0[page as usize / 64] |= 1 << (page % 64);
        fresh
    }
}
