//! Editing one line of a terminal: keys in, actions out. Knows no screen and no shell.
//!
//! The keys are those of bash's emacs mode. The text may hold newlines (pasted scripts); Enter submits all of it.

use imbl::Vector;

use super::completion::Completion;
use super::grammar::LINE_BYTES_MAX;

/// A key as the page reports it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Char(char),
    /// Text from the clipboard.
    Paste(String),
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    Escape,
    /// Held with a lower-case letter.
    Ctrl(char),
    Alt(char),
}

/// What the terminal does next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Nothing,
    /// The line or the cursor changed.
    Redraw,
    /// The line was entered; the editor is empty again.
    Submit(String),
    /// Ctrl-C: the line was thrown away.
    Interrupt,
    /// Ctrl-D on an empty line.
    EndOfInput,
    /// Ctrl-L: the screen is cleared, the line stays.
    Clear,
    /// More than one completion fits.
    Suggestions(Vec<String>),
}

/// The line being typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LineEditor {
    text: String,
    // Invariant: on a boundary of what the eye takes for a character, see `boundary`.
    cursor: usize,
    /// What Ctrl-K, Ctrl-U, Ctrl-W and Alt-D took, for Ctrl-Y.
    killed: String,
    /// The last key killed too, so its text joins.
    killing: bool,
    /// The line of history that is shown, and what was typed before going there.
    browsing: Option<(usize, String)>,
    search: Option<Search>,
}

/// Ctrl-R.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Search {
    query: String,
    /// The line that is shown, by its place in history.
    found: Option<usize>,
    failed: bool,
    /// What was typed before.
    draft: String,
}

impl LineEditor {
    pub fn text(&self) -> &str {
        &self.text
    }

    /// In bytes.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// What a field of the page holds now, which knows more ways to type than this editor: dictation, input methods, a
    /// click into the line. `cursor` is in bytes and may be anywhere.
    pub fn replace(&mut self, text: &str, cursor: usize) {
        if text.len() > LINE_BYTES_MAX || (text == self.text && cursor == self.cursor) {
            return;
        }
        if text != self.text {
            self.text = text.to_owned();
            self.killing = false;
        }
        self.cursor = cursor.min(self.text.len());
        while !self.boundary(self.cursor) {
            self.cursor -= 1;
        }
    }

    /// What stands in place of the prompt during a search.
    pub fn search_prompt(&self) -> Option<String> {
        let search = self.search.as_ref()?;
        let failed = if search.failed { "failed " } else { "" };
        Some(format!("({failed}reverse-i-search)`{}': ", search.query))
    }

    /// Takes a key. `history` is oldest first; `complete` completes a line up to a byte position.
    pub fn key(&mut self, key: Key, history: &Vector<String>, complete: &dyn Fn(&str, usize) -> Completion) -> Action {
        if self.search.is_some()
            && let Some(action) = self.search_key(&key, history)
        {
            return action;
        }
        let was_killing = std::mem::take(&mut self.killing);
        let before = (self.text.clone(), self.cursor);
        match key {
            Key::Char(c) if !c.is_control() => self.insert(c.encode_utf8(&mut [0; 4])),
            Key::Char(_) => return Action::Nothing,
            Key::Paste(text) => self.insert(&pasted(&text)),
            Key::Enter | Key::Ctrl('j' | 'm') => return Action::Submit(self.take()),
            Key::Tab | Key::Ctrl('i') => return self.complete(complete),
            Key::Backspace | Key::Ctrl('h') => self.remove(self.before(self.cursor), self.cursor),
            Key::Delete => self.remove(self.cursor, self.after(self.cursor)),
            Key::Ctrl('d') if self.text.is_empty() => return Action::EndOfInput,
            Key::Ctrl('d') => self.remove(self.cursor, self.after(self.cursor)),
            Key::Left | Key::Ctrl('b') => self.cursor = self.before(self.cursor),
            Key::Right | Key::Ctrl('f') => self.cursor = self.after(self.cursor),
            Key::Home | Key::Ctrl('a') => self.cursor = 0,
            Key::End | Key::Ctrl('e') => self.cursor = self.text.len(),
            Key::Alt('b') => self.cursor = self.word_before(char::is_alphanumeric),
            Key::Alt('f') => self.cursor = self.word_after(),
            Key::Ctrl('k') => self.kill(self.cursor, self.text.len(), was_killing),
            Key::Ctrl('u') => self.kill(0, self.cursor, was_killing),
            Key::Ctrl('w') => self.kill(self.word_before(|c| !c.is_whitespace()), self.cursor, was_killing),
            Key::Alt('d') => self.kill(self.cursor, self.word_after(), was_killing),
            Key::Ctrl('y') => {
                let killed = self.killed.clone();
                self.insert(&killed);
            }
            Key::Ctrl('t') => self.transpose(),
            Key::Ctrl('c') => {
                self.take();
                return Action::Interrupt;
            }
            Key::Ctrl('l') => return Action::Clear,
            Key::Ctrl('r') => {
                let draft = self.text.clone();
                self.search = Some(Search { query: String::new(), found: None, failed: false, draft });
                return Action::Redraw;
            }
            Key::Up | Key::Ctrl('p') => return self.browse(history, -1),
            Key::Down | Key::Ctrl('n') => return self.browse(history, 1),
            Key::Escape | Key::Ctrl(_) | Key::Alt(_) => return Action::Nothing,
        }
        if (&before.0, before.1) == (&self.text, self.cursor) { Action::Nothing } else { Action::Redraw }
    }

    fn take(&mut self) -> String {
        self.cursor = 0;
        self.browsing = None;
        self.search = None;
        std::mem::take(&mut self.text)
    }

    fn show(&mut self, text: String) {
        self.cursor = text.len();
        self.text = text;
    }

    /// A boundary of what the eye takes for one character: not before a mark that joins the character before it.
    ///
    /// Simplified: combining marks, joiners, variation selectors, skin tones and paired flags; not Unicode's full rules.
    fn boundary(&self, at: usize) -> bool {
        if at == 0 || at >= self.text.len() {
            return true;
        }
        if !self.text.is_char_boundary(at) {
            return false;
        }
        let joins = |c: char| {
            matches!(c, '\u{300}'..='\u{36F}' | '\u{483}'..='\u{489}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}'
                | '\u{20D0}'..='\u{20FF}' | '\u{FE00}'..='\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}' | '\u{200D}')
        };
        let flag = |c: &char| ('\u{1F1E6}'..='\u{1F1FF}').contains(c);
        let next = self.text[at..].chars().next();
        let joined = next.is_some_and(joins) || self.text[..at].ends_with('\u{200D}');
        let half_flag =
            next.as_ref().is_some_and(flag) && self.text[..at].chars().rev().take_while(|c| flag(c)).count() % 2 == 1;
        !joined && !half_flag
    }

    fn before(&self, at: usize) -> usize {
        (0..at).rev().find(|at| self.boundary(*at)).unwrap_or(0)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1..self.text.len()).find(|at| self.boundary(*at)).unwrap_or(self.text.len())
    }

    /// The start of the word before the cursor; words are made of what `part` accepts.
    fn word_before(&self, part: fn(char) -> bool) -> usize {
        let before = &self.text[..self.cursor];
        let word_end = before.trim_end_matches(|c| !part(c)).len();
        before[..word_end].trim_end_matches(part).len()
    }

    fn word_after(&self) -> usize {
        let after = &self.text[self.cursor..];
        let gap = after.find(char::is_alphanumeric).unwrap_or(after.len());
        let word = after[gap..].find(|c: char| !c.is_alphanumeric()).unwrap_or(after.len() - gap);
        self.cursor + gap + word
    }

    fn insert(&mut self, text: &str) {
        if self.text.len() + text.len() <= LINE_BYTES_MAX {
            self.text.insert_str(self.cursor, text);
            self.cursor += text.len();
        }
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    fn kill(&mut self, from: usize, to: usize, join: bool) {
        let killed = self.text[from..to].to_owned();
        let backwards = to == self.cursor && from < to;
        match (join, backwards) {
            (false, _) if killed.is_empty() => {}
            (false, _) => self.killed = killed,
            (true, true) => self.killed.insert_str(0, &killed),
            (true, false) => self.killed.push_str(&killed),
        }
        self.killing = true;
        self.remove(from, to);
    }

    /// Ctrl-T: swaps the characters around the cursor, or the last two at the end of the line.
    fn transpose(&mut self) {
        let middle = if self.cursor == self.text.len() { self.before(self.cursor) } else { self.cursor };
        let (start, end) = (self.before(middle), self.after(middle));
        if start < middle && middle < end {
            let swapped = format!("{}{}", &self.text[middle..end], &self.text[start..middle]);
            self.text.replace_range(start..end, &swapped);
            self.cursor = end;
        }
    }

    /// A line up or down in history; what was typed is kept below the newest.
    fn browse(&mut self, history: &Vector<String>, step: isize) -> Action {
        let at = self.browsing.as_ref().map_or(history.len(), |(at, _)| *at);
        let Some(to) = at.checked_add_signed(step).filter(|to| *to <= history.len() && *to != at) else {
            return Action::Nothing;
        };
        let draft = match self.browsing.take() {
            Some((_, draft)) => draft,
            None => self.text.clone(),
        };
        match history.get(to) {
            Some(line) => {
                self.show(line.clone());
                self.browsing = Some((to, draft));
            }
            None => self.show(draft),
        }
        Action::Redraw
    }

    /// A key during Ctrl-R; `None` if it ends the search and has its usual meaning.
    fn search_key(&mut self, key: &Key, history: &Vector<String>) -> Option<Action> {
        let search = self.search.as_mut()?;
        let from = match key {
            Key::Char(c) if !c.is_control() => {
                search.query.push(*c);
                search.found.map_or(history.len(), |found| found + 1)
            }
            Key::Backspace | Key::Ctrl('h') => {
                search.query.pop();
                history.len()
            }
            Key::Ctrl('r') => search.found.unwrap_or(history.len()),
            Key::Ctrl('g') | Key::Ctrl('c') => {
                let draft = std::mem::take(&mut search.draft);
                self.search = None;
                self.show(draft);
                return Some(Action::Redraw);
            }
            Key::Escape => {
                self.search = None;
                return Some(Action::Redraw);
            }
            _ => {
                self.search = None;
                return None;
            }
        };
        let fits = |line: &String| !search.query.is_empty() && line.contains(&search.query);
        let found = (0..from.min(history.len())).rev().find(|&at| history.get(at).is_some_and(fits));
        search.failed = found.is_none() && !search.query.is_empty();
        if let Some(found) = found {
            search.found = Some(found);
            let line = history[found].clone();
            let cursor = line.find(&search.query).unwrap_or(0);
            self.text = line;
            self.cursor = cursor;
        }
        Some(Action::Redraw)
    }

    fn complete(&mut self, complete: &dyn Fn(&str, usize) -> Completion) -> Action {
        let Completion { start, candidates } = complete(&self.text, self.cursor);
        let typed = self.text[start..self.cursor].len();
        let Some(first) = candidates.first() else { return Action::Nothing };
        let shared = candidates.iter().fold(first.len(), |shared, candidate| {
            let same = first.char_indices().zip(candidate.chars()).take_while(|((_, a), b)| a == b);
            shared.min(same.map(|((at, c), _)| at + c.len_utf8()).last().unwrap_or(0))
        });
        let addition = first[typed.min(shared)..shared].to_owned();
        if let [_] = candidates.as_slice() {
            // A word that is complete is followed by a blank, unless one is there.
            let blank = if self.text[self.cursor..].starts_with(' ') { "" } else { " " };
            self.insert(&(addition + blank));
            return Action::Redraw;
        }
        if addition.is_empty() {
            return Action::Suggestions(candidates);
        }
        self.insert(&addition);
        Action::Redraw
    }
}

/// Clipboard text as it may stand in a line: plain newlines, no other control characters, no newline at the end.
fn pasted(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', " ");
    text.trim_end_matches('\n').chars().filter(|c| *c == '\n' || !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Terminal {
        editor: LineEditor,
        history: Vector<String>,
    }

    impl Terminal {
        fn new(history: &[&str]) -> Terminal {
            Terminal { editor: LineEditor::default(), history: history.iter().map(|line| (*line).to_owned()).collect() }
        }

        fn press(&mut self, key: Key) -> Action {
            let complete = |line: &str, cursor: usize| {
                let start = line[..cursor].rfind(' ').map_or(0, |blank| blank + 1);
                let words = ["etcdctl", "endpoint", "энергия"].map(str::to_owned);
                let candidates = words.into_iter().filter(|word| word.starts_with(&line[start..cursor])).collect();
                Completion { start, candidates }
            };
            self.editor.key(key, &self.history, &complete)
        }

        fn type_text(&mut self, text: &str) {
            text.chars().for_each(|c| drop(self.press(Key::Char(c))));
        }

        /// The line with a bar at the cursor.
        fn shown(&self) -> String {
            let (before, after) = self.editor.text().split_at(self.editor.cursor());
            format!("{before}|{after}")
        }
    }

    #[test]
    fn moves_and_edits_by_what_the_eye_sees() {
        let mut terminal = Terminal::new(&[]);
        terminal.type_text("ae\u{301}🏳\u{FE0F}\u{200D}🌈🇩🇪z");
        for expect in
            ["ae\u{301}🏳\u{FE0F}\u{200D}🌈🇩🇪|z", "ae\u{301}🏳\u{FE0F}\u{200D}🌈|🇩🇪z", "ae\u{301}|🏳\u{FE0F}\u{200D}🌈🇩🇪z"]
        {
            terminal.press(Key::Left);
            assert_eq!(terminal.shown(), expect);
        }
        terminal.press(Key::Backspace);
        assert_eq!(terminal.shown(), "a|🏳\u{FE0F}\u{200D}🌈🇩🇪z");
        terminal.press(Key::Delete);
        assert_eq!(terminal.shown(), "a|🇩🇪z");
        assert_eq!(terminal.press(Key::Home), Action::Redraw);
        assert_eq!(terminal.press(Key::Home), Action::Nothing);
    }

    #[test]
    fn kills_and_yanks() {
        let mut terminal = Terminal::new(&[]);
        terminal.type_text("etcdctl put a/b value");
        terminal.press(Key::Ctrl('w'));
        terminal.press(Key::Ctrl('w'));
        assert_eq!(terminal.shown(), "etcdctl put |");
        terminal.press(Key::Ctrl('y'));
        assert_eq!(terminal.shown(), "etcdctl put a/b value|");
        terminal.press(Key::Alt('b'));
        terminal.press(Key::Alt('b'));
        assert_eq!(terminal.shown(), "etcdctl put a/|b value");
        terminal.press(Key::Alt('d'));
        assert_eq!(terminal.shown(), "etcdctl put a/| value");
        terminal.press(Key::Ctrl('k'));
        terminal.press(Key::Ctrl('a'));
        terminal.press(Key::Alt('f'));
        assert_eq!(terminal.shown(), "etcdctl| put a/");
        terminal.press(Key::Ctrl('u'));
        assert_eq!(terminal.shown(), "| put a/");
        terminal.press(Key::Ctrl('e'));
        terminal.press(Key::Ctrl('t'));
        assert_eq!(terminal.shown(), " put /a|");
    }

    #[test]
    fn history_keeps_the_draft() {
        let mut terminal = Terminal::new(&["one", "two"]);
        terminal.type_text("dra");
        terminal.press(Key::Up);
        assert_eq!(terminal.shown(), "two|");
        terminal.press(Key::Up);
        assert_eq!(terminal.press(Key::Up), Action::Nothing);
        assert_eq!(terminal.shown(), "one|");
        terminal.press(Key::Down);
        terminal.press(Key::Down);
        assert_eq!(terminal.shown(), "dra|");
        assert_eq!(terminal.press(Key::Down), Action::Nothing);
        assert_eq!(terminal.press(Key::Enter), Action::Submit("dra".into()));
        assert_eq!(terminal.shown(), "|");
    }

    #[test]
    fn searches_backwards() {
        let mut terminal = Terminal::new(&["etcdctl get a", "ls", "etcdctl put a 1"]);
        terminal.press(Key::Ctrl('r'));
        terminal.type_text("etcd");
        assert_eq!(terminal.shown(), "|etcdctl put a 1");
        assert_eq!(terminal.editor.search_prompt().unwrap(), "(reverse-i-search)`etcd': ");
        terminal.press(Key::Ctrl('r'));
        assert_eq!(terminal.shown(), "|etcdctl get a");
        terminal.press(Key::Ctrl('r'));
        assert!(terminal.editor.search_prompt().unwrap().starts_with("(failed "));
        assert_eq!(terminal.press(Key::Enter), Action::Submit("etcdctl get a".into()));
        terminal.type_text("x");
        terminal.press(Key::Ctrl('r'));
        terminal.type_text("ls");
        terminal.press(Key::Ctrl('g'));
        assert_eq!(terminal.shown(), "x|");
    }

    #[test]
    fn completes_pastes_and_ends() {
        let mut terminal = Terminal::new(&[]);
        terminal.type_text("e");
        assert_eq!(terminal.press(Key::Tab), Action::Suggestions(vec!["etcdctl".into(), "endpoint".into()]));
        terminal.type_text("t");
        terminal.press(Key::Tab);
        assert_eq!(terminal.shown(), "etcdctl |");
        terminal.press(Key::Paste("a\r\nb\t\u{7}c\n".into()));
        assert_eq!(terminal.shown(), "etcdctl a\nb c|");
        assert_eq!(terminal.press(Key::Ctrl('c')), Action::Interrupt);
        assert_eq!(terminal.press(Key::Ctrl('d')), Action::EndOfInput);
        assert_eq!(terminal.press(Key::Ctrl('l')), Action::Clear);
    }
}
