//! Go 1.16's `sort.Sort`. It is not stable, and the order it leaves equal elements in can be seen in etcd's answers.
//!
//! An introsort: quicksort with a median of three (of nine above 40 elements), heapsort when it goes too deep, and below
//! 13 elements one pass with gap 6 followed by insertion sort.

struct Sorter<'a, T, L> {
    data: &'a mut [T],
    less: L,
}

/// Sorts `data` by `less`, leaving equal elements where Go would.
pub fn sort<T>(data: &mut [T], less: impl Fn(&T, &T) -> bool) {
    let end = data.len();
    let depth = 2 * (usize::BITS - end.leading_zeros());
    Sorter { data, less }.quick(0, end, depth);
}

impl<T, L: Fn(&T, &T) -> bool> Sorter<'_, T, L> {
    fn less(&self, i: usize, j: usize) -> bool {
        (self.less)(&self.data[i], &self.data[j])
    }

    fn swap(&mut self, i: usize, j: usize) {
        self.data.swap(i, j);
    }

    fn quick(&mut self, mut start: usize, mut end: usize, mut depth: u32) {
        while end - start > 12 {
            if depth == 0 {
                return self.heap(start, end);
            }
            depth -= 1;
            let (low, high) = self.partition(start, end);
            if low - start < end - high {
                self.quick(start, low, depth);
                start = high;
            } else {
                self.quick(high, end, depth);
                end = low;
            }
        }
        for i in start + 6..end {
            if self.less(i, i - 6) {
                self.swap(i, i - 6);
            }
        }
        self.insertion(start, end);
    }

    fn insertion(&mut self, start: usize, end: usize) {
        for i in start + 1..end {
            let mut j = i;
            while j > start && self.less(j, j - 1) {
                self.swap(j, j - 1);
                j -= 1;
            }
        }
    }

    fn heap(&mut self, first: usize, end: usize) {
        let length = end - first;
        for root in (0..length.div_ceil(2)).rev() {
            self.sift(root, length, first);
        }
        for last in (0..length).rev() {
            self.swap(first, first + last);
            self.sift(0, last, first);
        }
    }

    fn sift(&mut self, mut root: usize, end: usize, first: usize) {
        loop {
            let mut child = 2 * root + 1;
            if child >= end {
                return;
            }
            if child + 1 < end && self.less(first + child, first + child + 1) {
                child += 1;
            }
            if !self.less(first + root, first + child) {
                return;
            }
            self.swap(first + root, first + child);
            root = child;
        }
    }

    /// Leaves the median of three places in the first.
    fn median(&mut self, first: usize, second: usize, third: usize) {
        if self.less(first, second) {
            self.swap(first, second);
        }
        if self.less(third, first) {
            self.swap(third, first);
            if self.less(first, second) {
                self.swap(first, second);
            }
        }
    }

    /// Splits around a pivot: below `.0` less, from `.1` on greater, between them equal to it.
    fn partition(&mut self, start: usize, end: usize) -> (usize, usize) {
        let middle = (start + end) / 2;
        if end - start > 40 {
            let step = (end - start) / 8;
            self.median(start, start + step, start + 2 * step);
            self.median(middle, middle - step, middle + step);
            self.median(end - 1, end - 1 - step, end - 1 - 2 * step);
        }
        self.median(start, middle, end - 1);
        let pivot = start;
        let (mut a, mut c) = (start + 1, end - 1);
        while a < c && self.less(a, pivot) {
            a += 1;
        }
        let mut b = a;
        loop {
            while b < c && !self.less(pivot, b) {
                b += 1;
            }
            while b < c && self.less(pivot, c - 1) {
                c -= 1;
            }
            if b >= c {
                break;
            }
            self.swap(b, c - 1);
            b += 1;
            c -= 1;
        }
        let mut many_equal = end - c < 5;
        if !many_equal && end - c < (end - start) / 4 {
            let mut equal = 0;
            if !self.less(pivot, end - 1) {
                self.swap(c, end - 1);
                c += 1;
                equal += 1;
            }
            if !self.less(b - 1, pivot) {
                b -= 1;
                equal += 1;
            }
            if !self.less(middle, pivot) {
                self.swap(middle, b - 1);
                b -= 1;
                equal += 1;
            }
            many_equal = equal > 1;
        }
        if many_equal {
            loop {
                while a < b && !self.less(b - 1, pivot) {
                    b -= 1;
                }
                while a < b && self.less(a, pivot) {
                    a += 1;
                }
                if a >= b {
                    break;
                }
                self.swap(a, b - 1);
                a += 1;
                b -= 1;
            }
        }
        self.swap(pivot, b - 1);
        (b - 1, c)
    }
}

#[cfg(test)]
mod tests {
    use super::sort;

    #[test]
    fn sorts_every_shape() {
        let mut state = 1u64;
        for length in 0..300u64 {
            for spread in [1, 3, 1000] {
                let mut data: Vec<u64> = (0..length)
                    .map(|_| {
                        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        (state >> 33) % spread
                    })
                    .collect();
                let mut expected = data.clone();
                expected.sort_unstable();
                sort(&mut data, |a, b| a < b);
                assert_eq!(data, expected);
            }
        }
    }
}
