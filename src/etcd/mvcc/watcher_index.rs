//! Which watchers are concerned by a key. Single keys are found in an ordered map, ranges in an interval tree, so
//! asking costs the depth of the tree and the number of answers, however many watchers there are.
//!
//! Upstream: `server/mvcc/watcher_group.go` and `pkg/adt/interval_tree.go`. The tree here is a treap whose priorities
//! are hashes of the intervals: its shape depends on what it holds and not on the order of arrival.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use imbl::{OrdMap, OrdSet};

use super::revision::KeySpan;

/// Watchers by the keys they watch.
#[derive(Clone, Debug, Hash)]
pub struct WatcherIndex<W: Ord + Clone> {
    keys: OrdMap<Bytes, OrdSet<W>>,
    ranges: Option<Arc<Node<W>>>,
}

/// A range and its watchers. `end` empty is no end.
#[derive(Clone, Debug, Hash)]
struct Node<W: Ord + Clone> {
    start: Bytes,
    end: Bytes,
    /// The furthest end in this subtree.
    reach: Bytes,
    priority: u64,
    watchers: OrdSet<W>,
    left: Option<Arc<Node<W>>>,
    right: Option<Arc<Node<W>>>,
}

impl<W: Ord + Clone> Default for WatcherIndex<W> {
    fn default() -> WatcherIndex<W> {
        WatcherIndex { keys: OrdMap::new(), ranges: None }
    }
}

impl<W: Ord + Clone> WatcherIndex<W> {
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.ranges.is_none()
    }

    /// Adds a watcher. `range_end` is as in a request: empty for one key, a zero byte for no end.
    pub fn insert(&mut self, key: &Bytes, range_end: &Bytes, watcher: W) {
        match tree_end(key, range_end) {
            None => {
                if let Some(watchers) = self.keys.get_mut(&key[..]) {
                    watchers.insert(watcher);
                } else {
                    self.keys.insert(key.clone(), OrdSet::unit(watcher));
                }
            }
            Some(end) => insert(&mut self.ranges, key, &end, watcher),
        }
    }

    pub fn remove(&mut self, key: &Bytes, range_end: &Bytes, watcher: &W) {
        match tree_end(key, range_end) {
            None => {
                if let Some(watchers) = self.keys.get_mut(&key[..]) {
                    watchers.remove(watcher);
                    if watchers.is_empty() {
                        self.keys.remove(&key[..]);
                    }
                }
            }
            Some(end) => remove(&mut self.ranges, key, &end, watcher),
        }
    }

    /// Calls `found` with every watcher of `key`.
    pub fn visit(&self, key: &[u8], found: &mut impl FnMut(&W)) {
        if let Some(watchers) = self.keys.get(key) {
            watchers.iter().for_each(&mut *found);
        }
        stab(&self.ranges, key, found);
    }
}

fn tree_end(key: &Bytes, range_end: &Bytes) -> Option<Bytes> {
    match KeySpan::of(key, range_end) {
        KeySpan::One(_) => None,
        KeySpan::From(_) => Some(Bytes::new()),
        KeySpan::Between(..) => Some(range_end.clone()),
    }
}

/// Orders ends: the empty one is beyond all others.
fn compare_ends(a: &[u8], b: &[u8]) -> Ordering {
    (a.is_empty(), a).cmp(&(b.is_empty(), b))
}

/// FNV-1a over both bounds, mixed so that the high bits differ too.
fn priority(start: &[u8], end: &[u8]) -> u64 {
    let bytes = start.iter().chain(&[0xff]).chain(end);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ hash >> 29
}

type Tree<W> = Option<Arc<Node<W>>>;

impl<W: Ord + Clone> Node<W> {
    fn compare(&self, start: &[u8], end: &[u8]) -> Ordering {
        start.cmp(&self.start).then_with(|| compare_ends(end, &self.end))
    }

    fn update_reach(&mut self) {
        let children = [&self.left, &self.right].into_iter().flatten().map(|node| &node.reach);
        let reach = children.fold(&self.end, |a, b| if compare_ends(b, a).is_gt() { b } else { a });
        if *reach != self.reach {
            self.reach = reach.clone();
        }
    }
}

fn insert<W: Ord + Clone>(tree: &mut Tree<W>, start: &Bytes, end: &Bytes, watcher: W) {
    let Some(node) = tree else {
        *tree = Some(Arc::new(Node {
            start: start.clone(),
            end: end.clone(),
            reach: end.clone(),
            priority: priority(start, end),
            watchers: OrdSet::unit(watcher),
            left: None,
            right: None,
        }));
        return;
    };
    let node = Arc::make_mut(node);
    match node.compare(start, end) {
        Ordering::Equal => {
            node.watchers.insert(watcher);
            return;
        }
        Ordering::Less => insert(&mut node.left, start, end, watcher),
        Ordering::Greater => insert(&mut node.right, start, end, watcher),
    }
    node.update_reach();
    let lifted = [&node.left, &node.right].map(|child| child.as_ref().is_some_and(|c| c.priority > node.priority));
    match lifted {
        [true, _] => rotate(tree, true),
        [_, true] => rotate(tree, false),
        _ => {}
    }
}

/// Lifts the left or the right child above its parent.
fn rotate<W: Ord + Clone>(tree: &mut Tree<W>, left: bool) {
    let mut parent = tree.take().expect("a node with a child");
    let node = Arc::make_mut(&mut parent);
    let mut child = if left { node.left.take() } else { node.right.take() }.expect("the child that is lifted");
    let lifted = Arc::make_mut(&mut child);
    if left {
        node.left = lifted.right.take();
        node.update_reach();
        lifted.right = Some(parent);
    } else {
        node.right = lifted.left.take();
        node.update_reach();
        lifted.left = Some(parent);
    }
    lifted.update_reach();
    *tree = Some(child);
}

fn remove<W: Ord + Clone>(tree: &mut Tree<W>, start: &[u8], end: &[u8], watcher: &W) {
    let Some(node) = tree else { return };
    let node = Arc::make_mut(node);
    match node.compare(start, end) {
        Ordering::Less => remove(&mut node.left, start, end, watcher),
        Ordering::Greater => remove(&mut node.right, start, end, watcher),
        Ordering::Equal => {
            node.watchers.remove(watcher);
            if node.watchers.is_empty() {
                *tree = join(node.left.take(), node.right.take());
                return;
            }
        }
    }
    node.update_reach();
}

/// One tree of two, all of `left` before all of `right`.
fn join<W: Ord + Clone>(left: Tree<W>, right: Tree<W>) -> Tree<W> {
    match (left, right) {
        (None, tree) | (tree, None) => tree,
        (Some(mut left), Some(mut right)) => {
            if left.priority > right.priority {
                let node = Arc::make_mut(&mut left);
                node.right = join(node.right.take(), Some(right));
                node.update_reach();
                Some(left)
            } else {
                let node = Arc::make_mut(&mut right);
                node.left = join(Some(left), node.left.take());
                node.update_reach();
                Some(right)
            }
        }
    }
}

fn stab<W: Ord + Clone>(tree: &Tree<W>, key: &[u8], found: &mut impl FnMut(&W)) {
    let mut next = tree;
    while let Some(node) = next {
        if !node.reach.is_empty() && key >= &node.reach[..] {
            return;
        }
        stab(&node.left, key, found);
        if key < &node.start[..] {
            return;
        }
        if node.end.is_empty() || key < &node.end[..] {
            node.watchers.iter().for_each(&mut *found);
        }
        next = &node.right;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(n: u64) -> Bytes {
        Bytes::from(n.to_be_bytes().to_vec())
    }

    /// Against a plain list, through inserts and removals in a scrambled order.
    #[test]
    fn finds_what_a_list_finds() {
        let mut state = 7u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let mut index = WatcherIndex::default();
        let mut list: Vec<(Bytes, Bytes, u64)> = Vec::new();
        for id in 0..2000 {
            if id % 3 == 2 {
                let (key, end, gone) = list.swap_remove(random(list.len() as u64) as usize);
                index.remove(&key, &end, &gone);
            }
            let start = random(500);
            let end = match random(4) {
                0 => Bytes::new(),
                1 => Bytes::from_static(&[0]),
                _ => bytes(start + 1 + random(60)),
            };
            index.insert(&bytes(start), &end, id);
            list.push((bytes(start), end, id));
            let key = bytes(random(600));
            let mut found = Vec::new();
            index.visit(&key, &mut |w| found.push(*w));
            found.sort_unstable();
            let mut expected: Vec<u64> =
                list.iter().filter(|(k, e, _)| KeySpan::of(k, e).contains(&key)).map(|(_, _, id)| *id).collect();
            expected.sort_unstable();
            assert_eq!(found, expected, "after {id}");
        }
        for (key, end, id) in list {
            index.remove(&key, &end, &id);
        }
        assert!(index.is_empty());
    }
}
