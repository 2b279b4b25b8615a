//! Columns of text as Go's `text/tabwriter` sets them.
//!
//! A column is a run of lines that have a cell there, ended by a tab; it is as wide as its widest cell and the padding.
//! What stands behind a line's last tab belongs to no column.

use unicode::width;

/// Sets text whose cells are ended by tabs. `min` is the least width of a column, padding included in what it compares to.
pub fn align(text: &str, min: usize, padding: usize) -> String {
    set(text, (min, padding), None)
}

/// The same below what was set before: columns do not become narrower than they were.
pub fn align_again(text: &str, min: usize, padding: usize, remembered: &mut Vec<usize>) -> String {
    set(text, (min, padding), Some(remembered))
}

fn set(text: &str, sizes: (usize, usize), mut remembered: Option<&mut Vec<usize>>) -> String {
    let ends_line = text.ends_with('\n');
    let mut lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    if ends_line {
        lines.pop();
    }
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|line| vec![0; line.len().saturating_sub(1)]).collect();
    let columns = widths.iter().map(Vec::len).max().unwrap_or_default();
    if let Some(remembered) = &mut remembered {
        remembered.resize(columns.max(remembered.len()), 0);
    }
    block(&lines, &mut widths, (0, lines.len(), 0), sizes, &mut remembered);
    let mut out = String::new();
    for (at, (line, widths)) in lines.iter().zip(&widths).enumerate() {
        for (place, cell) in line.iter().enumerate() {
            out.push_str(cell);
            if let Some(wide) = widths.get(place) {
                out.extend(std::iter::repeat_n(' ', wide.saturating_sub(width(cell))));
            }
        }
        if at + 1 < lines.len() || ends_line {
            out.push('\n');
        }
    }
    out
}

/// Finds the widths of a column and of those right of it, for lines from one to another.
///
/// Recursion goes as deep as there are columns; a line of very many cells is set without columns.
fn block(
    lines: &[Vec<&str>],
    widths: &mut [Vec<usize>],
    (from, to, column): (usize, usize, usize),
    sizes: (usize, usize),
    remembered: &mut Option<&mut Vec<usize>>,
) {
    const COLUMNS_MAX: usize = 200;
    if column > COLUMNS_MAX {
        return;
    }
    let (min, padding) = sizes;
    let has = |line: usize| column + 1 < lines[line].len();
    let mut at = from;
    while at < to {
        if !has(at) {
            at += 1;
            continue;
        }
        let start = at;
        let mut wide = min;
        while at < to && has(at) {
            let cell = width(lines[at][column]);
            wide = wide.max(cell + padding);
            at += 1;
        }
        if let Some(known) = remembered.as_mut().and_then(|remembered| remembered.get_mut(column)) {
            wide = wide.max(*known);
            *known = wide;
        }
        (start..at).for_each(|line| widths[line][column] = wide);
        block(lines, widths, (start, at, column + 1), sizes, remembered);
    }
}

mod unicode {
    /// Go counts characters.
    pub fn width(cell: &str) -> usize {
        cell.chars().count()
    }
}

#[cfg(test)]
mod tests {
    use super::{align, align_again};

    #[test]
    fn columns_end_where_a_line_lacks_them() {
        assert_eq!(
            align("Name:\tweb\nNamespace:\tdefault\n\nA:\tb\n", 0, 2),
            "Name:       web\nNamespace:  default\n\nA:  b\n"
        );
        assert_eq!(align("a\tb\tc\nlong\tx\ty\n", 0, 3), "a      b   c\nlong   x   y\n");
        assert_eq!(align("no tabs\n", 8, 2), "no tabs\n");
        assert_eq!(align("a\t\tc\n", 0, 2), "a    c\n");
        let mut widths = Vec::new();
        assert_eq!(align_again("long\tx\n", 0, 2, &mut widths), "long  x\n");
        assert_eq!(align_again("a\tx\n", 0, 2, &mut widths), "a     x\n");
    }
}
