//! Which lessons there are, in order: `lessons/index.txt`, the one file that a host of lessons must know.
//!
//! ```text
//!   # a comment
//!   01-brain-and-memory/01-keys/01-one-key-three-copies: One key, three copies
//!   01-brain-and-memory/02-elections/01-kill-the-leader: Kill the leader  (first)
//! ```
//!
//! `(first)` marks the lesson that a new learner sees. The title is the one of the lesson's front matter, here so that a
//! menu can be shown before any lesson is fetched.

use super::{Problem, Problems, format};

pub const INDEX: &str = "index.txt";
/// Lessons in one catalogue.
pub const LESSONS_MAX: usize = 1_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    pub entries: Vec<Entry>,
    /// The lesson for a new learner: its position.
    pub first: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `01-brain-and-memory/02-elections/01-kill-the-leader`, under `lessons/`.
    pub folder: String,
    pub id: String,
    pub title: String,
    /// `Brain and memory`
    pub part: String,
    /// `Elections`
    pub chapter: String,
    /// In the index.
    pub line: usize,
}

impl Entry {
    /// Where its text is, under `lessons/`.
    pub fn file(&self) -> String {
        format!("{}/lesson.md", self.folder)
    }
}

impl Catalog {
    /// Reads an index.
    ///
    /// # Errors
    /// Every mistake.
    pub fn parse(text: &str) -> Result<Catalog, Vec<Problem>> {
        let mut problems = Problems::new(INDEX);
        let mut catalog = Catalog::default();
        let mut first = None;
        for (number, line) in text.lines().enumerate() {
            let (number, line) = (number + 1, line.trim());
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if catalog.entries.len() == LESSONS_MAX {
                problems.add(number, 0, format!("more than {LESSONS_MAX} lessons"));
                break;
            }
            let (line, is_first) = line.strip_suffix("(first)").map_or((line, false), |line| (line.trim_end(), true));
            let Some((folder, title)) = line.split_once(": ") else {
                problems.add(number, 0, "expected FOLDER: TITLE");
                continue;
            };
            let Some(id) = format::id(folder) else {
                problems.add(number, 0, format!("\"{folder}\": expected NN-part/NN-chapter/NN-lesson"));
                continue;
            };
            if catalog.entries.last().is_some_and(|last| !in_order(&last.folder, folder)) {
                problems.add(number, 0, "out of order; expected the numbers of the folders to rise");
            }
            if catalog.entries.iter().any(|entry| entry.id == id) {
                problems.add(number, 0, format!("a second lesson \"{id}\""));
            }
            if is_first && first.replace(catalog.entries.len()).is_some() {
                problems.add(number, 0, "a second (first)");
            }
            let mut slugs = id.split('/').map(name_of_slug);
            let (part, chapter) = (slugs.next().unwrap_or_default(), slugs.next().unwrap_or_default());
            let (folder, title) = (folder.to_owned(), title.trim().to_owned());
            catalog.entries.push(Entry { folder, id, title, part, chapter, line: number });
        }
        if catalog.entries.is_empty() && problems.is_empty() {
            problems.add(0, 0, "no lessons; expected lines FOLDER: TITLE");
        }
        catalog.first = first.unwrap_or(0);
        if problems.is_empty() { Ok(catalog) } else { Err(problems.into_sorted()) }
    }

    pub fn position(&self, id: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.id == id)
    }
}

/// Numbers compare as numbers, so that 10 comes after 9.
fn in_order(before: &str, after: &str) -> bool {
    let numbers = |folder: &str| -> Vec<u64> {
        let number = |part: &str| part.split('-').next().and_then(|number| number.parse().ok());
        folder.split('/').filter_map(number).collect()
    };
    numbers(before) < numbers(after)
}

/// `brain-and-memory` is `Brain and memory`.
fn name_of_slug(slug: &str) -> String {
    let spaced = slug.replace('-', " ");
    let mut chars = spaced.chars();
    chars.next().map_or(String::new(), |c| std::iter::once(c.to_ascii_uppercase()).chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_read() {
        let text = "# Lessons\n\n01-brain-and-memory/01-keys/01-one: One, two\n01-brain-and-memory/02-b/09-kill: Kill (first)\n\
                    01-brain-and-memory/02-b/10-x: X\n";
        let catalog = Catalog::parse(text).unwrap();
        assert_eq!(catalog.first, 1);
        let entry = &catalog.entries[0];
        assert_eq!((&*entry.id, &*entry.title), ("brain-and-memory/keys/one", "One, two"));
        assert_eq!((&*entry.part, &*entry.chapter, entry.line), ("Brain and memory", "Keys", 3));
        assert_eq!(catalog.entries[1].title, "Kill");
        assert_eq!(catalog.position("brain-and-memory/b/x"), Some(2));
    }

    #[test]
    fn mistakes_are_named() {
        let text = "01-a/01-b/02-c: C (first)\n01-a/01-b/01-d: D (first)\nnonsense\n01-a/x: X\n01-a/02-b/03-c: C\n";
        let problems: Vec<String> = Catalog::parse(text).unwrap_err().iter().map(Problem::to_string).collect();
        assert_eq!(
            problems,
            [
                "index.txt:2: out of order; expected the numbers of the folders to rise",
                "index.txt:2: a second (first)",
                "index.txt:3: expected FOLDER: TITLE",
                "index.txt:4: \"01-a/x\": expected NN-part/NN-chapter/NN-lesson",
                "index.txt:5: a second lesson \"a/b/c\"",
            ]
        );
        assert_eq!(
            Catalog::parse("").unwrap_err()[0].to_string(),
            "index.txt: no lessons; expected lines FOLDER: TITLE"
        );
    }
}
