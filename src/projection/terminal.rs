//! A terminal's screen: the end of its scrollback, in pieces that keep their name while they stay the same.

use crate::lab::Lab;
use crate::lab::workstation::{Printed, PrintedKind};
use crate::sim::SimTime;
use std::sync::Arc;

/// Lines shown at first, and by how many more each time the learner asks for earlier ones. Few enough that a program
/// which prints in every frame costs nothing to speak of.
pub const LINES: usize = 300;
pub const LINES_MORE: usize = 1_200;
/// A piece longer than this is cut, so that the end of a long answer stays when its beginning is let go.
const LINES_PER_ROW: usize = 100;

/// What of a terminal is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub terminal: u8,
    pub lines: usize,
    /// Ctrl-L: so many pieces were there at that moment, and are out of sight from then on.
    pub cleared: Option<(SimTime, usize)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    pub rows: Vec<Row>,
    /// There is something before the first row.
    pub earlier: bool,
    /// A program runs, so there is no prompt.
    pub running: bool,
}

/// A piece of scrollback, or a part of a long one.
#[derive(Clone, Debug)]
pub struct Row {
    /// Two rows of one name look the same.
    pub name: (u64, u32, u32, u64),
    pub kind: PrintedKind,
    /// Whole lines, which can be laid out without a look at what stands before and after them.
    pub whole: bool,
    text: Arc<str>,
    part: (usize, usize),
}

impl Row {
    /// `fresh`: the piece begins at the beginning of a line.
    fn of(piece: &Printed, nth: u32, number: u32, part: (usize, usize), fresh: bool) -> Row {
        let text = &piece.text[part.0..part.1];
        let name = (piece.at.0, nth, number, digest(text));
        let whole = (fresh || number > 0) && text.ends_with('\n');
        Row { name, kind: piece.kind, whole, text: piece.text.clone(), part }
    }

    pub fn text(&self) -> &str {
        &self.text[self.part.0..self.part.1]
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Row) -> bool {
        (self.name, self.kind, self.whole) == (other.name, other.kind, other.whole)
    }
}

impl Eq for Row {}

impl Screen {
    /// From the newest piece back until the window is full: what is out of sight costs nothing.
    pub fn of(lab: &Lab, window: Window) -> Screen {
        let Some(terminal) = lab.workstation().terminals().get(usize::from(window.terminal)) else {
            return Screen::default();
        };
        let pieces = terminal.scrollback();
        let cleared = window.cleared.filter(|(at, _)| *at <= lab.now()).map_or(0, |(_, count)| count.min(pieces.len()));
        let mut screen = Screen { running: terminal.is_running(), earlier: cleared > 0, ..Screen::default() };
        let mut lines = 0;
        // Pieces of one moment are told apart by their order.
        let mut nth = 0;
        let mut moment = None;
        'pieces: for (index, piece) in pieces.iter().enumerate().skip(cleared).rev() {
            nth = match moment {
                Some(at) if at == piece.at => nth - 1,
                _ => (0..index).rev().map_while(|i| pieces.get(i)).take_while(|other| other.at == piece.at).count()
                    as u32,
            };
            moment = Some(piece.at);
            let fresh = index.checked_sub(1).and_then(|before| pieces.get(before)).is_none_or(ends_line);
            for (number, part) in parts(&piece.text).into_iter().enumerate().rev() {
                if lines >= window.lines {
                    screen.earlier = true;
                    break 'pieces;
                }
                let row = Row::of(piece, nth, number as u32, part, fresh);
                lines += lines_of(&row);
                screen.rows.push(row);
            }
        }
        screen.rows.reverse();
        screen
    }
}

/// What is printed next begins a line.
fn ends_line(piece: &Printed) -> bool {
    piece.kind != PrintedKind::Stdout || piece.text.ends_with('\n')
}

fn lines_of(row: &Row) -> usize {
    match row.kind {
        PrintedKind::Command | PrintedKind::Typed => 1 + row.text().matches('\n').count(),
        PrintedKind::Done(0) => 0,
        PrintedKind::Done(_) => 1,
        PrintedKind::Stdout | PrintedKind::Stderr => row.text().matches('\n').count(),
    }
}

/// Where a text is cut so that no part has more than [`LINES_PER_ROW`] lines.
fn parts(text: &str) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (number, (at, _)) in text.match_indices('\n').enumerate() {
        if (number + 1) % LINES_PER_ROW == 0 && at + 1 < text.len() {
            parts.push((start, at + 1));
            start = at + 1;
        }
    }
    parts.push((start, text.len()));
    parts
}

/// FNV-1a: only to tell rows of one moment on different branches apart.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Input, Scenario};

    fn typed(lines: &[&str]) -> Lab {
        let mut lab = Lab::new(Scenario::default(), 1);
        for line in lines {
            lab.input(&Input::Line { terminal: 0, text: (*line).to_owned() });
            lab.run_until(SimTime(lab.now().0 + 100_000), u64::MAX);
        }
        lab
    }

    fn window(lines: usize) -> Window {
        Window { terminal: 0, lines, cleared: None }
    }

    #[test]
    fn the_end_is_kept_and_names_stay() {
        let mut lab = typed(&["echo one", "echo two"]);
        let whole = Screen::of(&lab, window(LINES));
        let texts: Vec<&str> = whole.rows.iter().map(Row::text).collect();
        assert_eq!(texts, ["echo one", "one\n", "", "echo two", "two\n", ""]);
        assert_eq!((whole.earlier, whole.running), (false, false));
        assert!(whole.rows.iter().all(|row| row.whole == (row.kind == PrintedKind::Stdout)));
        let parted = Screen::of(&typed(&["printf one", "echo two", "printf 'three\\nfour'"]), window(LINES));
        let lines: Vec<(&str, bool)> = parted.rows.iter().map(|row| (row.text(), row.whole)).collect();
        assert_eq!((lines[1], lines[4], lines[7]), (("one", false), ("two\n", true), ("three\nfour", false)));
        let short = Screen::of(&lab, window(2));
        assert!(short.earlier);
        assert_eq!(short.rows[..], whole.rows[3..]);
        assert_eq!(short.rows.last(), whole.rows.last());
        lab.input(&Input::Line { terminal: 0, text: "echo three".to_owned() });
        assert_eq!(Screen::of(&lab, window(LINES)).rows[..6], whole.rows[..]);
    }

    #[test]
    fn a_cleared_screen_comes_back_when_time_goes_back() {
        let lab = typed(&["echo one"]);
        let count = lab.workstation().terminals()[0].scrollback().len();
        let cleared = |at| Screen::of(&lab, Window { cleared: Some((at, count)), ..window(LINES) });
        assert_eq!((cleared(lab.now()).rows.len(), cleared(lab.now()).earlier), (0, true));
        assert_eq!(cleared(SimTime(lab.now().0 + 1)).rows.len(), 3);
    }

    #[test]
    fn long_answers_are_cut_at_line_ends() {
        let text = "x\n".repeat(250);
        let parts = parts(&text);
        assert_eq!(parts, [(0, 200), (200, 400), (400, 500)]);
        assert_eq!(super::parts(""), [(0, 0)]);
    }
}
