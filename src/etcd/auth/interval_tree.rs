//! A red-black tree of intervals, for questions that have no sensible answer.
//!
//! A range whose end is not after its start holds no key, and yet etcd asks its interval tree whether the user's
//! permissions cover it. What the tree says then depends on its shape: it leaves out subtrees as if the range were a
//! proper one. So the shape is that of the textbook, on which upstream's is built, permissions inserted in their order.
//!
//! Upstream: `pkg/adt/interval_tree.go`; Cormen et al., chapters 13 and 14.3.

use bytes::Bytes;
use std::cmp::Ordering;

/// A place among the keys; `None` is behind all of them.
pub type Place = Option<Bytes>;

/// From one place up to before another, in whatever order they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    pub begin: Place,
    pub end: Place,
}

fn compare(a: &Place, b: &Place) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.cmp(b),
        _ => a.is_none().cmp(&b.is_none()),
    }
}

/// Where an interval lies beside another: `Equal` if they overlap.
fn beside(a: (&Place, &Place), b: (&Place, &Place)) -> Ordering {
    if compare(a.0, b.0).is_lt() && compare(a.1, b.0).is_le() {
        Ordering::Less
    } else if compare(a.0, b.1).is_ge() {
        Ordering::Greater
    } else {
        Ordering::Equal
    }
}

type Link = Option<usize>;

struct Node {
    interval: Interval,
    /// The furthest end below and at this node.
    max: Place,
    /// Left and right.
    children: [Link; 2],
    parent: Link,
    red: bool,
}

#[derive(Default)]
pub struct IntervalTree {
    nodes: Vec<Node>,
    root: Link,
}

const LEFT: usize = 0;
const RIGHT: usize = 1;

impl IntervalTree {
    pub fn of<'a>(intervals: impl Iterator<Item = &'a Interval>) -> IntervalTree {
        let mut tree = IntervalTree::default();
        intervals.for_each(|interval| tree.insert(interval.clone()));
        tree
    }

    /// Whether the intervals that the tree finds to overlap this one cover it without a gap.
    pub fn covers(&self, wanted: &Interval) -> bool {
        let mut found = Vec::new();
        self.visit(self.root, wanted, &mut found);
        let Some(first) = found.first() else { return false };
        let (begin, mut end) = (&first.begin, &first.end);
        for interval in &found[1..] {
            if compare(end, &interval.begin).is_lt() {
                return false;
            }
            if compare(&interval.end, end).is_gt() {
                end = &interval.end;
            }
        }
        compare(end, &wanted.end).is_ge() && compare(begin, &wanted.begin).is_le()
    }

    fn visit<'a>(&'a self, link: Link, wanted: &Interval, found: &mut Vec<&'a Interval>) {
        let Some(at) = link else { return };
        let node = &self.nodes[at];
        let (wanted_span, span) = ((&wanted.begin, &wanted.end), (&node.interval.begin, &node.interval.end));
        match beside(wanted_span, span) {
            Ordering::Less => self.visit(node.children[LEFT], wanted, found),
            Ordering::Greater => {
                if beside((&node.interval.begin, &node.max), wanted_span).is_eq() {
                    self.visit(node.children[LEFT], wanted, found);
                    self.visit(node.children[RIGHT], wanted, found);
                }
            }
            Ordering::Equal => {
                self.visit(node.children[LEFT], wanted, found);
                found.push(&node.interval);
                self.visit(node.children[RIGHT], wanted, found);
            }
        }
    }

    fn insert(&mut self, interval: Interval) {
        let (mut parent, mut link, mut side) = (None, self.root, LEFT);
        while let Some(at) = link {
            let before = compare(&interval.begin, &self.nodes[at].interval.begin).is_lt();
            side = if before { LEFT } else { RIGHT };
            (parent, link) = (Some(at), self.nodes[at].children[side]);
        }
        let new = self.nodes.len();
        let max = interval.end.clone();
        self.nodes.push(Node { interval, max, children: [None; 2], parent, red: true });
        match parent {
            Some(parent) => self.nodes[parent].children[side] = Some(new),
            None => self.root = Some(new),
        }
        self.rebalance(new);
        self.measure(new);
    }

    fn rebalance(&mut self, mut at: usize) {
        while let Some(parent) = self.nodes[at].parent.filter(|parent| self.nodes[*parent].red) {
            // A red node is never the root.
            let Some(above) = self.nodes[parent].parent else { break };
            let side = usize::from(self.nodes[above].children[RIGHT] == Some(parent));
            match self.nodes[above].children[1 - side] {
                Some(uncle) if self.nodes[uncle].red => {
                    self.nodes[uncle].red = false;
                    self.nodes[parent].red = false;
                    self.nodes[above].red = true;
                    at = above;
                }
                _ => {
                    let inner = self.nodes[parent].children[1 - side] == Some(at);
                    let top = if inner { at } else { parent };
                    if inner {
                        self.rotate(parent, side);
                        at = parent;
                    }
                    self.nodes[top].red = false;
                    self.nodes[above].red = true;
                    self.rotate(above, 1 - side);
                }
            }
        }
        if let Some(root) = self.root {
            self.nodes[root].red = false;
        }
    }

    /// Moves a node down to this side; its child from the other side takes its place.
    fn rotate(&mut self, at: usize, side: usize) {
        let Some(child) = self.nodes[at].children[1 - side] else { return };
        let inner = self.nodes[child].children[side];
        self.nodes[at].children[1 - side] = inner;
        if let Some(inner) = inner {
            self.nodes[inner].parent = Some(at);
        }
        let parent = self.nodes[at].parent;
        self.nodes[child].parent = parent;
        match parent {
            Some(parent) => {
                let side = usize::from(self.nodes[parent].children[RIGHT] == Some(at));
                self.nodes[parent].children[side] = Some(child);
            }
            None => self.root = Some(child),
        }
        self.nodes[child].children[side] = Some(at);
        self.nodes[at].parent = Some(child);
        self.measure(at);
    }

    /// Brings the furthest ends up to date, from here to the root.
    fn measure(&mut self, from: usize) {
        let mut link = Some(from);
        while let Some(at) = link {
            let node = &self.nodes[at];
            let below = node.children.iter().flatten().map(|child| &self.nodes[*child].max);
            let max = below.fold(&node.interval.end, |max, end| if compare(end, max).is_gt() { end } else { max });
            self.nodes[at].max = max.clone();
            link = self.nodes[at].parent;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Prng;

    fn place(text: &'static str) -> Place {
        (!text.is_empty()).then(|| Bytes::from_static(text.as_bytes()))
    }

    fn interval(begin: &'static str, end: &'static str) -> Interval {
        Interval { begin: place(begin), end: place(end) }
    }

    #[track_caller]
    fn check(granted: &[(&'static str, &'static str)], begin: &'static str, end: &'static str, expected: bool) {
        let granted: Vec<Interval> = granted.iter().map(|(begin, end)| interval(begin, end)).collect();
        assert_eq!(IntervalTree::of(granted.iter()).covers(&interval(begin, end)), expected);
    }

    /// As recorded, but for the first.
    #[test]
    fn the_shape_decides_about_a_range_that_holds_nothing() {
        check(&[("b", "")], "c", "a", true);
        check(&[("ab", "b"), ("b", "")], "c", "a", false);
        check(&[("a", "c")], "c", "a", false);
        check(&[("a/", "a0"), ("a", "c"), ("a/1", "a/1\0"), ("\0", "")], "c", "a", false);
    }

    #[test]
    fn proper_ranges_are_covered_whatever_the_shape() {
        let letters: Vec<&'static str> = "abcdefghij".split("").filter(|letter| !letter.is_empty()).collect();
        let mut prng = Prng::stream(1, "intervals");
        let mut pick = || letters[prng.below(letters.len() as u64) as usize];
        for _ in 0..2_000 {
            let granted: Vec<Interval> = (0..8).map(|_| interval(pick(), pick())).collect();
            let tree = IntervalTree::of(granted.iter());
            let (a, b) = (pick(), pick());
            if a < b {
                let keys = letters.iter().filter(|key| a <= **key && **key < b);
                let holds = |key: &str, of: &Interval| {
                    of.begin.as_ref().is_some_and(|begin| &begin[..] <= key.as_bytes())
                        && of.end.as_ref().is_some_and(|end| key.as_bytes() < &end[..])
                };
                let mut keys = keys.map(|key| granted.iter().any(|of| holds(key, of)));
                assert_eq!(tree.covers(&interval(a, b)), keys.all(|held| held), "{a}..{b} by {granted:?}");
            }
        }
    }
}
