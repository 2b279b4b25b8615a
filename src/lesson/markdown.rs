//! The Markdown of lessons, read into plain data.
//!
//! Not here: raw HTML, images, footnotes. A lesson file may come from anywhere, so it can say things but not do things:
//! HTML is a mistake with a place, and a link leads to the web (http, https), to another lesson or to the stage.

use super::{Problems, script};
use pulldown_cmark::{Alignment, CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use std::ops::Range;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    Paragraph(Vec<Inline>),
    /// Level 3 and below; level 2 begins a step.
    Heading(u8, Vec<Inline>),
    /// `None`: bullets; else the first number.
    List(Option<u64>, Vec<Vec<Block>>),
    Quote(Vec<Block>),
    Code {
        language: String,
        text: String,
    },
    Table {
        align: Vec<Align>,
        head: Vec<Vec<Inline>>,
        rows: Vec<Vec<Vec<Inline>>>,
    },
    Rule,
    /// A fenced block of the lesson itself (`run`, `predict` …) stands here: its position among those of the step.
    Run(usize),
    Predict(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Start,
    Center,
    End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inline {
    Text(String),
    Code(String),
    Emphasis(Vec<Inline>),
    Strong(Vec<Inline>),
    /// To the web.
    Link {
        href: String,
        text: Vec<Inline>,
    },
    /// To another lesson, by its id.
    Lesson {
        id: String,
        text: Vec<Inline>,
    },
    /// Points at something on the stage; the target may hold placeholders such as `{leader}`.
    Stage {
        target: String,
        text: Vec<Inline>,
    },
    Break,
}

impl Inline {
    /// What it reads as, without marks.
    pub fn plain(inlines: &[Inline]) -> String {
        let mut out = String::new();
        for inline in inlines {
            match inline {
                Inline::Text(text) | Inline::Code(text) => out.push_str(text),
                Inline::Emphasis(inner) | Inline::Strong(inner) => out.push_str(&Inline::plain(inner)),
                Inline::Link { text, .. } | Inline::Lesson { text, .. } | Inline::Stage { text, .. } => {
                    out.push_str(&Inline::plain(text));
                }
                Inline::Break => out.push(' '),
            }
        }
        out
    }
}

/// A block of the body with its line, before the lesson's own fenced blocks are understood.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Block(Block),
    /// `## `: a step begins.
    Step {
        line: usize,
        title: Vec<Inline>,
    },
    /// A fenced block at the top level: its info string, its text, and the line of its first line of text.
    Fence {
        line: usize,
        info: String,
        text: String,
    },
}

/// Markdown nests a quote in a list in a quote …; more than this is no prose.
const DEPTH_MAX: usize = 12;

/// What a link to the stage may name first: `stage:member/etcd-1`, `stage:key/color`.
pub const STAGE_KINDS: [&str; 7] = ["member", "log", "link", "key", "terminal", "timeline", "messages"];

/// Where line breaks are, to turn offsets into lines and columns.
struct Lines {
    first: usize,
    starts: Vec<usize>,
}

impl Lines {
    fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset) - 1;
        (self.first + line, offset - self.starts[line] + 1)
    }
}

/// Something that is being read: its tag and what is inside so far.
struct Open {
    tag: Tag<'static>,
    offset: usize,
    blocks: Vec<Block>,
    inlines: Vec<Inline>,
    items: Vec<Vec<Block>>,
    rows: Vec<Vec<Vec<Inline>>>,
    cells: Vec<Vec<Inline>>,
    text: String,
}

impl Open {
    fn new(tag: Tag<'static>, offset: usize) -> Open {
        let (blocks, inlines, items) = (Vec::new(), Vec::new(), Vec::new());
        Open { tag, offset, blocks, inlines, items, rows: Vec::new(), cells: Vec::new(), text: String::new() }
    }

    /// A list item's text may stand without a paragraph around it.
    fn gather_loose_text(&mut self) {
        if !self.inlines.is_empty() {
            self.blocks.push(Block::Paragraph(std::mem::take(&mut self.inlines)));
        }
    }
}

struct Reader<'a> {
    lines: Lines,
    lesson: &'a str,
    problems: &'a mut Problems,
    open: Vec<Open>,
    pieces: Vec<Piece>,
}

/// Reads Markdown whose first line is line `first_line` of the file. `lesson` is the id against which relative links are
/// resolved.
pub(super) fn read(text: &str, first_line: usize, lesson: &str, problems: &mut Problems) -> Vec<Piece> {
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let lines = Lines { first: first_line, starts };
    let mut reader = Reader { lines, lesson, problems, open: Vec::new(), pieces: Vec::new() };
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        if !reader.event(event, range) {
            break;
        }
    }
    reader.pieces
}

/// Reads Markdown that stands inside something else: no steps, no blocks of the lesson.
pub(super) fn read_blocks(text: &str, first_line: usize, lesson: &str, problems: &mut Problems) -> Vec<Block> {
    let mut blocks = Vec::new();
    for piece in read(text, first_line, lesson, problems) {
        match piece {
            Piece::Block(block) => blocks.push(block),
            Piece::Step { line, .. } => problems.add(line, 0, "a step cannot begin here"),
            Piece::Fence { info, text, .. } => blocks.push(Block::Code { language: info, text }),
        }
    }
    blocks
}

/// Reads Markdown that is one line of text.
pub(super) fn read_inlines(text: &str, line: usize, lesson: &str, problems: &mut Problems) -> Vec<Inline> {
    let mut blocks = read_blocks(text, line, lesson, problems);
    match (blocks.pop(), blocks.is_empty()) {
        (Some(Block::Paragraph(inlines)), true) => inlines,
        _ => {
            problems.add(line, 0, "expected one line of text");
            Vec::new()
        }
    }
}

impl Reader<'_> {
    /// Takes in one event; `false` ends the reading.
    fn event(&mut self, event: Event<'_>, range: Range<usize>) -> bool {
        match event {
            Event::Start(tag) => {
                if self.open.len() == DEPTH_MAX {
                    self.problem(range.start, format!("Markdown nested deeper than {DEPTH_MAX} levels"));
                    return false;
                }
                self.open.push(Open::new(tag.into_static(), range.start));
            }
            Event::End(tag) => self.close(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(text) => self.inline(Inline::Code(text.into_string())),
            Event::SoftBreak => self.text(" "),
            Event::HardBreak => self.inline(Inline::Break),
            Event::Rule => self.block(Block::Rule),
            Event::Html(_) | Event::InlineHtml(_) => {
                self.problem(range.start, "raw HTML is not shown; expected Markdown (write `<` as `&lt;`)".to_owned());
            }
            _ => self.problem(range.start, "this kind of Markdown is not shown in lessons".to_owned()),
        }
        true
    }

    fn problem(&mut self, offset: usize, message: String) {
        let (line, column) = self.lines.place(offset);
        self.problems.add(line, column, message);
    }

    fn text(&mut self, text: &str) {
        match self.open.last_mut() {
            Some(open) if matches!(open.tag, Tag::CodeBlock(_) | Tag::HtmlBlock) => open.text.push_str(text),
            Some(Open { inlines, .. }) => match inlines.last_mut() {
                Some(Inline::Text(last)) => last.push_str(text),
                _ => inlines.push(Inline::Text(text.to_owned())),
            },
            None => {}
        }
    }

    fn inline(&mut self, inline: Inline) {
        if let Some(open) = self.open.last_mut() {
            open.inlines.push(inline);
        }
    }

    fn block(&mut self, block: Block) {
        match self.open.last_mut() {
            Some(open) => {
                open.gather_loose_text();
                open.blocks.push(block);
            }
            None => self.pieces.push(Piece::Block(block)),
        }
    }

    fn close(&mut self, tag: TagEnd) {
        let Some(mut open) = self.open.pop() else { return };
        let inlines = std::mem::take(&mut open.inlines);
        match (tag, &open.tag) {
            (TagEnd::Paragraph, _) => self.block(Block::Paragraph(inlines)),
            (TagEnd::Heading(level), _) => self.heading(level, inlines, open.offset),
            (TagEnd::BlockQuote(_), _) => self.block(Block::Quote(open.blocks)),
            (TagEnd::Item, _) => {
                open.inlines = inlines;
                open.gather_loose_text();
                if let Some(list) = self.open.last_mut() {
                    list.items.push(open.blocks);
                }
            }
            (TagEnd::List(_), Tag::List(first)) => self.block(Block::List(*first, open.items)),
            (TagEnd::CodeBlock, Tag::CodeBlock(kind)) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.trim().to_owned(),
                    CodeBlockKind::Indented => String::new(),
                };
                if self.open.is_empty() && matches!(kind, CodeBlockKind::Fenced(_)) {
                    let line = self.lines.place(open.offset).0 + 1;
                    self.pieces.push(Piece::Fence { line, info, text: open.text });
                } else {
                    self.block(Block::Code { language: info, text: open.text });
                }
            }
            (TagEnd::TableCell, _) => {
                if let Some(row) = self.open.last_mut() {
                    row.cells.push(inlines);
                }
            }
            (TagEnd::TableHead | TagEnd::TableRow, _) => {
                if let Some(table) = self.open.last_mut() {
                    table.rows.push(open.cells);
                }
            }
            (TagEnd::Table, Tag::Table(align)) => self.table(align, open.rows),
            (TagEnd::Emphasis, _) => self.inline(Inline::Emphasis(inlines)),
            (TagEnd::Strong, _) => self.inline(Inline::Strong(inlines)),
            (TagEnd::Link, Tag::Link { dest_url, .. }) => self.link(&dest_url.clone(), inlines, open.offset),
            (TagEnd::Image, _) => self.problem(open.offset, "images are not shown; point at the stage".to_owned()),
            _ => {}
        }
    }

    fn heading(&mut self, level: HeadingLevel, inlines: Vec<Inline>, offset: usize) {
        match level {
            HeadingLevel::H1 => {
                let message = "a heading of level 1 is the title, which stands in the front matter; expected ## or ###";
                self.problem(offset, message.to_owned());
            }
            HeadingLevel::H2 if self.open.is_empty() => {
                let line = self.lines.place(offset).0;
                self.pieces.push(Piece::Step { line, title: inlines });
            }
            HeadingLevel::H2 => self.problem(offset, "a step cannot begin inside a list or quote".to_owned()),
            level => self.block(Block::Heading(level as u8, inlines)),
        }
    }

    fn table(&mut self, align: &[Alignment], mut rows: Vec<Vec<Vec<Inline>>>) {
        let align = align
            .iter()
            .map(|align| match align {
                Alignment::None | Alignment::Left => Align::Start,
                Alignment::Center => Align::Center,
                Alignment::Right => Align::End,
            })
            .collect();
        let head = if rows.is_empty() { Vec::new() } else { rows.remove(0) };
        self.block(Block::Table { align, head, rows });
    }

    fn link(&mut self, href: &str, text: Vec<Inline>, offset: usize) {
        if href.starts_with("https://") || href.starts_with("http://") {
            return self.inline(Inline::Link { href: href.to_owned(), text });
        }
        if let Some(target) = href.strip_prefix("stage:") {
            let kind = target.split('/').next().unwrap_or_default();
            if !STAGE_KINDS.contains(&kind) {
                let expected = STAGE_KINDS.join(", ");
                self.problem(offset, format!("\"stage:{target}\" is not on the stage; expected one of {expected}"));
            }
            if let Some(unknown) = script::unknown_placeholder(target) {
                self.problem(offset, script::not_a_placeholder(unknown));
            }
            return self.inline(Inline::Stage { target: target.to_owned(), text });
        }
        match relative(self.lesson, href) {
            Some(id) => self.inline(Inline::Lesson { id, text }),
            None => self.problem(
                offset,
                format!("link to \"{href}\": expected http(s)://…, stage:… or a relative path to a lesson"),
            ),
        }
    }
}

/// The id of the lesson at `path` seen from the lesson `from`, as for files: `../watches/watch-a-prefix`.
fn relative(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.trim_end_matches('/').split('/') {
        let is_slug =
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            _ if is_slug => parts.push(part),
            _ => return None,
        }
    }
    (parts.len() == 3).then(|| parts.join("/"))
}
