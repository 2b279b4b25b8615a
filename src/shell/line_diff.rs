//! What differs between two texts, line by line, as `diff -u` groups and prints it.

use similar::algorithms::{Capture, Compact, Replace, myers};
use similar::{ChangeTag, DiffOp, group_diff_ops};
use std::fmt::{self, Display, Formatter};

/// Two texts and the changes that lead from one to the other, in groups that keep some unchanged lines around them.
pub struct LineDiff<'a> {
    old: Vec<&'a str>,
    new: Vec<&'a str>,
    groups: Vec<Vec<DiffOp>>,
}

impl<'a> LineDiff<'a> {
    pub fn of(old: &'a str, new: &'a str, context: usize) -> LineDiff<'a> {
        let old: Vec<&str> = old.split_inclusive('\n').collect();
        let new: Vec<&str> = new.split_inclusive('\n').collect();
        // Myers by name: a choice at run time would compile six algorithms, each for every shape of input.
        let mut hook = Compact::new(Replace::new(Capture::new()), &old[..], &new[..]);
        let Ok(()) = myers::diff(&mut hook, &old[..], 0..old.len(), &new[..], 0..new.len());
        let groups = group_diff_ops(hook.into_inner().into_inner().into_ops(), context);
        LineDiff { old, new, groups }
    }

    /// The lines of each group, with their line ends.
    pub fn groups(&self) -> impl Iterator<Item = impl Iterator<Item = (ChangeTag, &'a str)>> {
        self.groups.iter().map(|group| {
            group
                .iter()
                .flat_map(|op| op.iter_slices(&self.old[..], &self.new[..]))
                .flat_map(|(tag, lines)| lines.iter().map(move |line| (tag, *line)))
        })
    }
}

/// `@@ -1,7 +1,6 @@` and the lines, for each group.
impl Display for LineDiff<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (ops, lines) in self.groups.iter().zip(self.groups()) {
            let (Some(first), Some(last)) = (ops.first(), ops.last()) else { continue };
            let old = Range(first.old_range().start, last.old_range().end);
            let new = Range(first.new_range().start, last.new_range().end);
            writeln!(f, "@@ -{old} +{new} @@")?;
            for (tag, line) in lines {
                write!(f, "{tag}{line}")?;
                if !line.ends_with('\n') {
                    writeln!(f, "\n\\ No newline at end of file")?;
                }
            }
        }
        Ok(())
    }
}

/// Lines from one number up to another, in the words of a hunk's head: counted from one, a single line without its count,
/// and of no lines at all the one before.
struct Range(usize, usize);

impl Display for Range {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.1 - self.0 {
            0 => write!(f, "{},0", self.0),
            1 => write!(f, "{}", self.0 + 1),
            count => write!(f, "{},{count}", self.0 + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LineDiff;

    fn unified(old: &str, new: &str) -> String {
        LineDiff::of(old, new, 1).to_string()
    }

    #[test]
    fn heads_count_as_those_of_diff_do() {
        assert_eq!(unified("", "a\n"), "@@ -0,0 +1 @@\n+a\n");
        assert_eq!(unified("a\nb\nc\nd\n", "a\nb\nx\nd\n"), "@@ -2,3 +2,3 @@\n b\n-c\n+x\n d\n");
        assert_eq!(
            unified("a\n1\n2\n3\nb\n", "A\n1\n2\n3\nB\n"),
            "@@ -1,2 +1,2 @@\n-a\n+A\n 1\n@@ -4,2 +4,2 @@\n 3\n-b\n+B\n"
        );
        assert_eq!(unified("a\n", "a\n"), "");
    }

    #[test]
    fn a_missing_line_end_is_said() {
        assert_eq!(unified("a", "a\n"), "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
    }
}
