//! The format both ways, and what is refused.

use bytes::Bytes;

use super::page::{
    BoltError, Damage, HEADER, Header, KIND_BRANCH, KIND_FREELIST, KIND_LEAF, META, Meta, NO_FREELIST, PAGE_SIZE,
};
use super::{Item, Reader, Step, WriteError, Writer, items};
use crate::sim::Prng;

const SMALL: &[u8] = include_bytes!("../../../tests/testdata/etcd/snapshots/snap_small.db");
const RICH: &[u8] = include_bytes!("../../../tests/testdata/etcd/snapshots/snap_rich.db");

fn read(file: &[u8]) -> Result<Vec<Item>, BoltError> {
    items(&Bytes::copy_from_slice(file)).collect()
}

fn write(items: &[Item]) -> Bytes {
    let mut writer = Writer::new();
    items.iter().cloned().for_each(|item| writer.write(item).expect("items in order"));
    writer.finish(1).expect("balanced buckets")
}

fn bucket(name: &str) -> Item {
    Item::Bucket { name: Bytes::copy_from_slice(name.as_bytes()), sequence: 7 }
}

fn pair(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Item {
    Item::Pair { key: key.into(), value: value.into() }
}

/// One bucket with this many pairs: two levels of branches from about 30,000 on.
fn ladder(pairs: u64) -> Vec<Item> {
    let numbers = (0..pairs).map(|i| pair(i.to_be_bytes().to_vec(), format!("value {i}")));
    [bucket("ladder")].into_iter().chain(numbers).chain([Item::End]).collect()
}

/// Changes a page of a file and mends nothing.
fn patched(file: &[u8], page: u64, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let at = page as usize * PAGE_SIZE + at;
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

fn header(file: &[u8], page: u64) -> Header {
    Header::parse(&file[page as usize * PAGE_SIZE..]).expect("the page is in the file")
}

fn meta(file: &[u8]) -> Meta {
    Meta::parse(file).expect("a sound first meta page")
}

/// Makes both meta pages say this.
fn with_meta(file: &[u8], meta: Meta) -> Vec<u8> {
    patched(&patched(file, 0, 0, &meta.encode(0)), 1, 0, &meta.encode(1))
}

#[track_caller]
fn refused(file: &[u8], text: &str) {
    assert_eq!(read(file).expect_err("a refusal").to_string(), text);
}

#[test]
fn real_snapshots_are_read_and_written_to_the_same_content() {
    for file in [SMALL, RICH] {
        let content = read(file).expect("a sound file");
        assert_eq!(content.iter().filter(|item| **item == Item::End).count(), 10);
        assert_eq!(read(&write(&content)), Ok(content));
    }
}

#[test]
fn trees_of_all_shapes_come_back() {
    let empty = vec![bucket("empty"), Item::End];
    let large = vec![
        bucket("large"),
        pair("a", vec![1; 3]),
        pair("b", vec![2; 3 * PAGE_SIZE]),
        pair("c", ""),
        pair("d", vec![4; PAGE_SIZE]),
        pair("e", vec![5; 20 * PAGE_SIZE]),
        Item::End,
    ];
    let nested = vec![
        bucket("a"),
        bucket("b"),
        bucket("c"),
        pair("k", "inline in a leaf in a leaf"),
        Item::End,
        pair("d", "beside a bucket"),
        Item::End,
        pair("e", "e"),
        Item::End,
        bucket("b"),
        Item::End,
    ];
    let wide: Vec<Item> = (0..9).map(|i| pair(vec![i; 32_768], "key")).collect();
    let wide = [vec![bucket("wide")], wide, vec![Item::End]].concat();
    for content in [vec![], empty, large, nested, wide, ladder(3), ladder(150), ladder(40_000)] {
        assert_eq!(read(&write(&content)), Ok(content));
    }
}

#[test]
fn random_trees_come_back() {
    let mut prng = Prng::stream(1, "trees");
    for _ in 0..300 {
        let mut content = Vec::new();
        grow(&mut prng, 3, &mut content);
        assert_eq!(read(&write(&content)), Ok(content));
    }
}

/// A random bucket's content, and buckets in it down to `depth`.
fn grow(prng: &mut Prng, depth: u32, out: &mut Vec<Item>) {
    let mut key = 0_u32;
    for _ in 0..prng.below(60) {
        key += 1 + prng.below(1000) as u32;
        let name = Bytes::from(key.to_be_bytes().to_vec());
        if depth > 0 && prng.below(8) == 0 {
            out.push(Item::Bucket { name, sequence: prng.below(9) });
            grow(prng, depth - 1, out);
            out.push(Item::End);
        } else {
            let most = [10, 300, 9000][prng.below(3) as usize];
            out.push(Item::Pair { key: name, value: vec![7; prng.below(most) as usize].into() });
        }
    }
}

#[test]
fn no_branch_has_a_single_child() {
    for pairs in (1..40_000).step_by(997) {
        let file = write(&ladder(pairs));
        for page in 2..meta(&file).high_water {
            let Header { flags, count, .. } = header(&file, page);
            assert!(flags != KIND_BRANCH || count > 1, "page {page} of {pairs} pairs");
        }
    }
}

#[test]
fn the_writer_refuses_what_bbolt_would() {
    let mut writer = Writer::new();
    assert_eq!(writer.end(), Err(WriteError::Unbalanced));
    writer.bucket("b".into(), 0).expect("a first bucket");
    assert_eq!(writer.pair("".into(), "".into()), Err(WriteError::KeyRequired));
    assert_eq!(writer.pair(vec![0; 32_769].into(), "".into()), Err(WriteError::KeyTooLarge));
    writer.pair("k".into(), "".into()).expect("a first key");
    assert_eq!(writer.pair("k".into(), "".into()), Err(WriteError::OutOfOrder));
    assert_eq!(writer.clone().finish(1), Err(WriteError::Unbalanced));
    writer.end().expect("an open bucket");
    assert_eq!(writer.bucket("a".into(), 0), Err(WriteError::OutOfOrder));
}

#[test]
fn the_newer_sound_meta_page_counts() {
    let file = write(&ladder(150));
    let older = Meta { txid: 5, ..meta(&file) };
    let newer = Meta { txid: 6, root: 2, ..older };
    let both = patched(&patched(&file, 0, 0, &older.encode(0)), 1, 0, &newer.encode(1));
    // The newer one makes a leaf of the bucket the root.
    assert_eq!(read(&both).expect("a sound leaf").first(), ladder(150).get(1));
    assert_eq!(read(&patched(&both, 1, 20, b"x")), Ok(ladder(150)));
    assert_eq!(read(&patched(&file, 0, 20, b"x")), Ok(ladder(150)));
}

#[test]
fn what_is_no_database_is_told_from_damage() {
    refused(b"", "invalid database");
    refused(b"hello", "invalid database");
    refused(&[0; 3 * PAGE_SIZE], "invalid database");
    let file = write(&ladder(3));
    let broken = patched(&patched(&file, 0, HEADER + 60, b"x"), 1, HEADER + 4, &[9]);
    refused(&broken, "page 0: checksum error; page 1: version mismatch");
}

#[test]
fn damage_names_its_page_and_the_reason() {
    let file = write(&ladder(40_000));
    let root = meta(&file).root;
    let first_leaf = 2;
    let branch = (2..root).find(|page| header(&file, *page).flags == KIND_BRANCH).expect("a branch");
    let child = |page: u64| [&8_u32.to_le_bytes()[..], &page.to_le_bytes()].concat();
    refused(&patched(&file, branch, HEADER + 4, &child(branch)), &format!("page {branch}: multiple references"));
    refused(&patched(&file, branch, HEADER + 4, &child(root)), &format!("page {root}: multiple references"));
    let high_water = meta(&file).high_water;
    refused(&patched(&file, branch, HEADER + 4, &child(1)), &format!("page 1: out of bounds: {high_water}"));
    refused(
        &patched(&file, branch, HEADER + 4, &child(u64::MAX)),
        &format!("page {}: out of bounds: {high_water}", u64::MAX),
    );
    let swapped = patched(&patched(&file, branch, HEADER + 4, &child(3)), branch, HEADER + 20, &child(2));
    refused(&swapped, "page 2: first key does not fit the branch above");
    refused(&patched(&file, first_leaf, 0, &[9]), "page 2: self identifies as 9");
    refused(&patched(&file, first_leaf, 8, &[0x10]), "page 2: invalid type: freelist");
    refused(&patched(&file, first_leaf, 8, &[0x40]), "page 2: invalid type: unknown<40>");
    refused(&patched(&file, first_leaf, 10, &[255, 255]), "page 2: elements hold more than the page");
    refused(
        &patched(&file, first_leaf, 12, &u32::MAX.to_le_bytes()),
        &format!("page {}: out of bounds: {high_water}", 2 + u64::from(u32::MAX)),
    );
    refused(&patched(&file, first_leaf, 12, &[1]), "page 3: multiple references");
    refused(&patched(&file, first_leaf, HEADER, &[2]), "page 2: element 0 has unexpected flags: 2");
    refused(
        &patched(&file, first_leaf, HEADER + 8, &[255, 255, 255, 255]),
        "page 2: element 0 reaches beyond the page",
    );
    refused(&patched(&file, first_leaf, HEADER + 8, &[0]), "page 2: key 0 is empty");
    // The second element points to the first one's key.
    let same_key = 16 * (u32::from(header(&file, first_leaf).count) - 1);
    refused(
        &patched(&file, first_leaf, HEADER + 16 + 4, &same_key.to_le_bytes()),
        "page 2: key 1 is not above the key before it",
    );
    refused(&patched(&file, branch, 10, &[0, 0]), &format!("page {branch}: branch without children"));
    let cut = &file[..file.len() - 1];
    refused(cut, &format!("page {}: beyond the end of the file, which has {} bytes", high_water - 1, cut.len()));
    refused(&with_meta(&file, Meta { root: 1, ..meta(&file) }), "page 0: root out of bounds");
    refused(&with_meta(&file, Meta { freelist: high_water, ..meta(&file) }), "page 0: freelist out of bounds");
}

#[test]
fn elements_that_share_their_data_are_refused() {
    // Sixty elements that all claim the same 3,000 bytes: a little file for a lot of work.
    let file = write(&[bucket("b"), pair("k", vec![1; 3000]), Item::End]);
    let mut elements = Vec::new();
    for i in 0..60_u32 {
        elements.extend([0, 16 * (60 - i), 1, 3000].into_iter().flat_map(u32::to_le_bytes));
    }
    let file = patched(&patched(&file, 2, 10, &[60]), 2, HEADER, &elements);
    refused(&file, "page 2: elements hold more than the page");
}

#[test]
fn deep_nesting_is_refused() {
    let mut content: Vec<Item> = (0..200).map(|_| bucket("deeper")).collect();
    content.extend((0..200).map(|_| Item::End));
    let error = read(&write(&content)).expect_err("a refusal");
    assert!(matches!(error, BoltError::Damaged { why: Damage::TooDeep, .. }), "{error}");
}

/// A file with a freelist page of these ids, and this many unused pages before it.
fn with_freelist(unused: u64, free: &[u64]) -> Vec<u8> {
    let mut file = write(&ladder(3)).to_vec();
    let freelist = meta(&file).high_water + unused;
    file.resize(freelist as usize * PAGE_SIZE, 0);
    Header { id: freelist, flags: KIND_FREELIST, count: free.len() as u16, overflow: 0 }.encode(&mut file);
    file.extend(free.iter().flat_map(|id| id.to_le_bytes()));
    file.resize((freelist as usize + 1) * PAGE_SIZE, 0);
    let meta = Meta { freelist, high_water: freelist + 1, ..meta(&file) };
    with_meta(&file, meta)
}

#[test]
fn the_freelist_and_the_tree_share_the_pages_between_them() {
    let first = meta(&write(&ladder(3))).high_water;
    assert_eq!(read(&with_freelist(2, &[first, first + 1])), Ok(ladder(3)));
    refused(&with_freelist(2, &[first]), &format!("page {}: unreachable unfreed", first + 1));
    refused(&with_freelist(1, &[first, first]), &format!("page {first}: already freed"));
    refused(&with_freelist(0, &[2]), "page 2: reachable freed");
    refused(&with_freelist(0, &[99]), &format!("page 99: out of bounds: {}", first + 1));
    let long = patched(&with_freelist(0, &[]), first, 10, &[0, 16]);
    refused(&long, &format!("page {first}: freelist is longer than its page"));
}

#[test]
fn reading_asks_for_what_it_needs_and_can_pause_anywhere() {
    let file = Bytes::from_static(&RICH[..RICH.len() - 32]);
    let mut reader = Reader::new(file.len() as u64);
    let mut content = Vec::new();
    loop {
        match reader.clone().step().expect("a sound file") {
            Step::Read { at, len } => {
                // Asking again changes nothing.
                assert_eq!(reader.step(), Ok(Step::Read { at, len }));
                assert_eq!(reader.step(), Ok(Step::Read { at, len }));
                reader.supply(file.slice(at as usize..at as usize + len));
            }
            Step::Item(item) => {
                assert_eq!(reader.step(), Ok(Step::Item(item.clone())));
                content.push(item);
            }
            Step::Done => break,
        }
    }
    assert_eq!(Ok(content), read(RICH));
    assert_eq!(reader.size(), file.len() as u64);
}

#[test]
fn values_share_the_bytes_they_were_read_from() {
    let file = Bytes::from_static(RICH);
    let within = file.as_ptr_range();
    for item in items(&file) {
        if let Item::Pair { value, .. } = item.expect("a sound file") {
            assert!(value.is_empty() || within.contains(&value.as_ptr()));
        }
    }
}

#[test]
fn a_source_that_ends_early_is_refused() {
    let mut reader = Reader::new(SMALL.len() as u64);
    let error = loop {
        match reader.step() {
            Ok(Step::Read { len, .. }) if len > META => reader.supply(Bytes::new()),
            Ok(Step::Read { at, len }) => reader.supply(Bytes::from_static(&SMALL[at as usize..at as usize + len])),
            Ok(step) => panic!("{step:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.to_string(), "page 3: beyond the end of the file, which has 36896 bytes");
    assert_eq!(reader.step(), Err(error));
}

#[test]
fn written_files_have_no_freelist_and_every_page_is_in_use() {
    let file = write(&ladder(150));
    let meta = meta(&file);
    assert_eq!((meta.freelist, meta.high_water), (NO_FREELIST, file.len() as u64 / PAGE_SIZE as u64));
    let used: u64 = (2..meta.high_water)
        .map(|page| header(&file, page))
        .filter(|header| [KIND_LEAF, KIND_BRANCH].contains(&header.flags))
        .map(|header| 1 + u64::from(header.overflow))
        .sum();
    assert_eq!(used + 2, meta.high_water);
}
