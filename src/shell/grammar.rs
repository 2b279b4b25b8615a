//! One command line as a tree: the part of bash's grammar that a learner of etcd meets.
//!
//! Built: words with every kind of quoting, `$VAR`, `${VAR}`, `$?`, `$(…)`, assignments, comments, `;` `&&` `||` `&` `!`
//! `|`, redirections, here-documents, `( … )`, `{ …; }` and `for … in …; do …; done`. Not built: `if`, `while`, `until`, `case`,
//! functions, arithmetic, arrays, backquotes; each is refused by name. Patterns (`*`) stand for
//! themselves, as they do in bash where no file matches.
//!
//! The work is bounded: a line by its length, nesting by depth. Nothing here runs anything.

use std::sync::Arc;

/// Longest line accepted, in bytes. Linux bounds one argument by 128 KiB.
pub const LINE_BYTES_MAX: usize = 128 * 1024;

/// Deepest nesting of `$(…)`, `(…)`, `{…}` and `for`: enough for people, small enough for the stack.
const DEPTH_MAX: usize = 12;

/// Commands one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct List(pub Vec<Entry>);

/// Pipelines joined by `&&` and `||`, perhaps in the background.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub first: Pipeline,
    pub rest: Vec<(Join, Pipeline)>,
    pub background: bool,
    /// As it was written, for `jobs`.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Join {
    And,
    Or,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pipeline {
    pub negated: bool,
    pub commands: Vec<Arc<Command>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Command {
    pub body: Body,
    pub redirects: Vec<Redirect>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    Simple { assignments: Vec<(String, Word)>, words: Vec<Word> },
    For { variable: String, words: Vec<Word>, body: Arc<List> },
    Group(Arc<List>),
    Subshell(Arc<List>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Redirect {
    /// `n>target`, `n>>target`, `&>target`
    Output { from: Stream, target: Word, append: bool },
    /// `n>&m`
    Duplicate { from: u8, to: u8 },
    /// `<target`
    Input(Word),
    /// `<<<word`
    HereString(Word),
    /// `<<END` and the lines up to `END`
    HereDocument(Word),
}

/// Which output is redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    One(u8),
    Both,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Word(pub Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Quoted text makes a word even if it is empty.
    Text {
        text: String,
        quoted: bool,
    },
    Variable {
        name: String,
        quoted: bool,
    },
    Substitution {
        list: Arc<List>,
        quoted: bool,
    },
}

impl Word {
    /// The word's text if nothing in it is quoted or expanded: what a reserved word must be.
    fn bare(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Text { text, quoted: false }] => Some(text),
            _ => None,
        }
    }
}

/// Why a line is not a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SyntaxError {
    /// One line, as bash words it.
    pub message: String,
    /// More lines could complete the command: an open quote or block.
    pub incomplete: bool,
}

pub fn parse(line: &str) -> Result<List, SyntaxError> {
    if line.len() > LINE_BYTES_MAX {
        return Err(refused(format!("bash: line too long: {} bytes, at most {LINE_BYTES_MAX}", line.len())));
    }
    let mut parser = Parser { line, at: 0, depth: 0, documents_end: None };
    let list = parser.list(&[])?;
    match parser.peek_operator() {
        None => Ok(list),
        Some(operator) => Err(unexpected(operator)),
    }
}

fn refused(message: String) -> SyntaxError {
    SyntaxError { message, incomplete: false }
}

fn unexpected(token: &str) -> SyntaxError {
    refused(format!("bash: syntax error near unexpected token `{token}'"))
}

fn unfinished() -> SyntaxError {
    SyntaxError { message: "bash: syntax error: unexpected end of file".to_owned(), incomplete: true }
}

fn unmatched(quote: &str) -> SyntaxError {
    SyntaxError { message: format!("bash: unexpected EOF while looking for matching `{quote}'"), incomplete: true }
}

fn not_built(what: &str) -> SyntaxError {
    refused(format!("bash: {what} is not built into this lab's shell"))
}

/// Longest first, so that `&&` is not read as `&` twice.
const OPERATORS: [&str; 20] = [
    "<<<", "&>>", "<<-", "&&", "||", ";;", ">>", ">&", "<<", "<&", "<>", "&>", ">|", ";", "&", "|", "<", ">", "(", ")",
];

struct Parser<'a> {
    line: &'a str,
    at: usize,
    depth: usize,
    /// Here-documents of this line were read up to here: where the parser goes on after the line's end.
    documents_end: Option<usize>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Blanks, comments and escaped newlines.
    fn skip_blanks(&mut self) {
        loop {
            if self.eat("\\\n") {
                continue;
            }
            match self.peek() {
                Some(' ' | '\t' | '\r') => self.at += 1,
                Some('#') => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                _ => return,
            }
        }
    }

    fn skip_newlines(&mut self) {
        self.skip_blanks();
        while self.eat("\n") {
            self.at = self.documents_end.take().unwrap_or(self.at);
            self.skip_blanks();
        }
    }

    /// The operator that comes next, if one does; a newline counts.
    fn peek_operator(&mut self) -> Option<&'static str> {
        self.skip_blanks();
        if self.rest().starts_with('\n') {
            return Some("newline");
        }
        OPERATORS.into_iter().find(|operator| self.rest().starts_with(operator))
    }

    /// The word that comes next if nothing in it is quoted or expanded, without taking it. Looks at plain characters
    /// only: reading a whole word here would read every nested command again at every level.
    fn peek_bare(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let rest = self.rest();
        let end = rest.find([' ', '\t', '\r', '\n', ';', '&', '|', '<', '>', '(', ')']).unwrap_or(rest.len());
        let word = &rest[..end];
        (!word.is_empty() && !word.contains(['\'', '"', '\\', '$', '`'])).then_some(word)
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, SyntaxError>) -> Result<T, SyntaxError> {
        if self.depth == DEPTH_MAX {
            return Err(refused(format!("bash: commands nested more than {DEPTH_MAX} deep")));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Entries up to the end, a `)`, or one of the reserved words `ends`.
    fn list(&mut self, ends: &[&str]) -> Result<List, SyntaxError> {
        let mut entries = Vec::new();
        loop {
            self.skip_newlines();
            if self.rest().is_empty() || self.rest().starts_with(')') {
                break;
            }
            if self.peek_bare().is_some_and(|word| ends.contains(&word)) {
                break;
            }
            let start = self.at;
            let mut entry = self.entry()?;
            entry.text = self.line[start..self.at].trim().to_owned();
            self.skip_blanks();
            match self.peek_operator() {
                Some("&") => {
                    self.at += 1;
                    entry.background = true;
                }
                Some(";") => self.at += 1,
                Some("newline" | ")") | None => {}
                Some(operator) => return Err(unexpected(operator)),
            }
            entries.push(entry);
        }
        Ok(List(entries))
    }

    fn entry(&mut self) -> Result<Entry, SyntaxError> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            let join = match self.peek_operator() {
                Some("&&") => Join::And,
                Some("||") => Join::Or,
                _ => return Ok(Entry { first, rest, background: false, text: String::new() }),
            };
            self.at += 2;
            self.skip_newlines();
            rest.push((join, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, SyntaxError> {
        let mut negated = false;
        while self.peek_bare() == Some("!") {
            self.word()?;
            negated = !negated;
        }
        let mut commands = vec![Arc::new(self.command()?)];
        while self.peek_operator() == Some("|") {
            self.at += 1;
            if self.rest().starts_with('&') {
                return Err(not_built("`|&'"));
            }
            self.skip_newlines();
            commands.push(Arc::new(self.command()?));
        }
        Ok(Pipeline { negated, commands })
    }

    fn command(&mut self) -> Result<Command, SyntaxError> {
        self.skip_blanks();
        if self.rest().is_empty() {
            return Err(unfinished());
        }
        if self.rest().starts_with("((") {
            return Err(not_built("arithmetic"));
        }
        let body = if self.eat("(") {
            let list = self.nested(|parser| parser.list(&[]))?;
            self.close(")", &list)?;
            Body::Subshell(Arc::new(list))
        } else {
            match self.peek_bare() {
                Some("for") => self.for_loop()?,
                Some("{") => {
                    self.word()?;
                    let list = self.nested(|parser| parser.list(&["}"]))?;
                    self.close("}", &list)?;
                    Body::Group(Arc::new(list))
                }
                Some(word @ ("if" | "while" | "until" | "case" | "select" | "function" | "[[")) => {
                    return Err(not_built(&format!("`{word}'")));
                }
                Some(word @ ("then" | "else" | "elif" | "fi" | "do" | "done" | "esac" | "}")) => {
                    return Err(unexpected(word));
                }
                _ => return self.simple(),
            }
        };
        let mut redirects = Vec::new();
        while let Some(redirect) = self.redirect()? {
            redirects.push(redirect);
        }
        match self.peek_operator() {
            None if !self.rest().is_empty() => Err(unexpected(self.peek_bare().unwrap_or("word"))),
            _ => Ok(Command { body, redirects }),
        }
    }

    /// The end of a block; `list` is what stands in it, which must be something.
    fn close(&mut self, end: &str, list: &List) -> Result<(), SyntaxError> {
        self.skip_newlines();
        if self.rest().is_empty() {
            return Err(unfinished());
        }
        if list.0.is_empty() {
            return Err(unexpected(end));
        }
        if end == ")" {
            return if self.eat(")") { Ok(()) } else { Err(unfinished()) };
        }
        match self.word()? {
            Some(word) if word.bare() == Some(end) => Ok(()),
            _ => Err(unexpected(self.peek_operator().unwrap_or(end))),
        }
    }

    fn for_loop(&mut self) -> Result<Body, SyntaxError> {
        self.word()?;
        let Some(variable) = self.word()? else {
            return Err(self.peek_operator().map_or_else(unfinished, unexpected));
        };
        let Some(variable) = variable.bare().filter(|name| is_name(name)).map(str::to_owned) else {
            return Err(refused("bash: `for' needs the name of a variable".to_owned()));
        };
        self.skip_newlines();
        let mut words = Vec::new();
        if self.peek_bare() == Some("in") {
            self.word()?;
            while let Some(word) = self.word()? {
                words.push(word);
            }
        }
        match self.peek_operator() {
            Some(";") => self.at += 1,
            Some("newline") => {}
            Some(operator) => return Err(unexpected(operator)),
            None if self.rest().is_empty() => return Err(unfinished()),
            None => {}
        }
        self.skip_newlines();
        match self.word()? {
            Some(word) if word.bare() == Some("do") => {}
            Some(word) => return Err(unexpected(word.bare().unwrap_or("word"))),
            None => return Err(self.peek_operator().map_or_else(unfinished, unexpected)),
        }
        let body = self.nested(|parser| parser.list(&["done"]))?;
        self.close("done", &body)?;
        Ok(Body::For { variable, words, body: Arc::new(body) })
    }

    fn simple(&mut self) -> Result<Command, SyntaxError> {
        let (mut assignments, mut words, mut redirects) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            if words.is_empty()
                && let Some(assignment) = self.assignment()?
            {
                assignments.push(assignment);
                continue;
            }
            match self.word()? {
                Some(word) => words.push(word),
                None => break,
            }
        }
        if words.len() == 1 && self.peek_operator() == Some("(") {
            return Err(not_built("defining functions"));
        }
        if assignments.is_empty() && words.is_empty() && redirects.is_empty() {
            return Err(self.peek_operator().map_or_else(unfinished, unexpected));
        }
        Ok(Command { body: Body::Simple { assignments, words }, redirects })
    }

    /// `NAME=word`, if that is what comes next.
    fn assignment(&mut self) -> Result<Option<(String, Word)>, SyntaxError> {
        self.skip_blanks();
        let name_len = self.rest().find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(0);
        let name = &self.rest()[..name_len];
        if !is_name(name) || !self.rest()[name_len..].starts_with('=') {
            return Ok(None);
        }
        let name = name.to_owned();
        self.at += name_len + 1;
        if self.rest().starts_with('(') {
            return Err(not_built("an array"));
        }
        let blank = self.peek().is_none_or(|c| c.is_whitespace());
        let value = if blank { Word::default() } else { self.word()?.unwrap_or_default() };
        Ok(Some((name, value)))
    }

    fn redirect(&mut self) -> Result<Option<Redirect>, SyntaxError> {
        self.skip_blanks();
        let start = self.at;
        let from = match self.peek() {
            Some(digit @ '0'..='9') if self.rest()[1..].starts_with(['<', '>']) => {
                self.at += 1;
                Some(digit as u8 - b'0')
            }
            _ => None,
        };
        let operator = match self.peek_operator() {
            Some(operator @ ("<<<" | ">>" | ">&" | "<<" | "<<-" | "<&" | "<>" | "&>" | "&>>" | ">|" | "<" | ">")) => {
                operator
            }
            _ => {
                self.at = start;
                return Ok(None);
            }
        };
        self.at += operator.len();
        if matches!(operator, "<&" | "<>") {
            return Err(not_built(&format!("`{operator}'")));
        }
        let Some(target) = self.word()? else {
            return Err(self.peek_operator().map_or_else(|| unexpected("newline"), unexpected));
        };
        Ok(Some(match operator {
            "<" => Redirect::Input(target),
            "<<<" => Redirect::HereString(target),
            "<<" | "<<-" => Redirect::HereDocument(self.here_document(&target, operator == "<<-")?),
            ">&" => match target.bare() {
                Some("1") => Redirect::Duplicate { from: from.unwrap_or(1), to: 1 },
                Some("2") => Redirect::Duplicate { from: from.unwrap_or(1), to: 2 },
                _ => return Err(refused("bash: after `>&' this lab's shell takes 1 or 2".to_owned())),
            },
            "&>" | "&>>" => Redirect::Output { from: Stream::Both, target, append: operator == "&>>" },
            _ => Redirect::Output { from: Stream::One(from.unwrap_or(1)), target, append: operator == ">>" },
        }))
    }

    /// The lines after this one up to one that is `end`. Without a quote in `end`, variables and commands in them are
    /// expanded.
    fn here_document(&mut self, end: &Word, strip_tabs: bool) -> Result<Word, SyntaxError> {
        let mut mark = String::new();
        let mut literal = false;
        for piece in &end.0 {
            let Piece::Text { text, quoted } = piece else {
                return Err(refused("bash: the end of a here-document must be a plain word".to_owned()));
            };
            mark.push_str(text);
            literal |= quoted;
        }
        let start = match self.documents_end {
            Some(end) => end,
            None => self.at + self.rest().find('\n').ok_or_else(unfinished)? + 1,
        };
        let (mut body, mut at) = (String::new(), start);
        loop {
            let rest = &self.line[at..];
            if rest.is_empty() {
                return Err(unfinished());
            }
            let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
            let line = &rest[..length];
            at += length;
            let line = if strip_tabs { line.trim_start_matches('\t') } else { line };
            if line.trim_end_matches('\n') == mark {
                break;
            }
            body.push_str(line);
        }
        self.documents_end = Some(at);
        if literal {
            return Ok(Word(vec![Piece::Text { text: body, quoted: true }]));
        }
        let mut inside = Parser { line: &body, at: 0, depth: self.depth, documents_end: None };
        let mut pieces = Vec::new();
        inside.expandable(&mut pieces, None)?;
        Ok(Word(pieces))
    }

    fn word(&mut self) -> Result<Option<Word>, SyntaxError> {
        self.skip_blanks();
        let mut pieces: Vec<Piece> = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => break,
                '\\' => {
                    self.at += 1;
                    match self.bump() {
                        Some('\n') => {}
                        Some(c) => push(&mut pieces, c.encode_utf8(&mut [0; 4]), true),
                        None => return Err(unmatched("\\")),
                    }
                }
                '\'' => {
                    self.at += 1;
                    let end = self.rest().find('\'').ok_or_else(|| unmatched("'"))?;
                    let text = &self.rest()[..end];
                    self.at += end + 1;
                    push(&mut pieces, text, true);
                }
                '"' => {
                    self.at += 1;
                    self.double_quoted(&mut pieces)?;
                }
                '$' if self.rest().starts_with("$'") => {
                    self.at += 2;
                    let text = self.ansi_quoted()?;
                    push(&mut pieces, &text, true);
                }
                '$' => self.dollar(&mut pieces, false)?,
                '`' => return Err(not_built("backquotes; write `$(…)'; that")),
                c => {
                    self.bump();
                    push(&mut pieces, c.encode_utf8(&mut [0; 4]), false);
                }
            }
        }
        Ok(if pieces.is_empty() { None } else { Some(Word(pieces)) })
    }

    fn double_quoted(&mut self, pieces: &mut Vec<Piece>) -> Result<(), SyntaxError> {
        self.expandable(pieces, Some('"'))
    }

    /// Text in which only variables, commands and some backslashes are special, up to `end` or to the end of all.
    fn expandable(&mut self, pieces: &mut Vec<Piece>, end: Option<char>) -> Result<(), SyntaxError> {
        push(pieces, "", true);
        loop {
            match self.peek() {
                None if end.is_none() => return Ok(()),
                None => return Err(unmatched("\"")),
                c if c == end => {
                    self.at += 1;
                    return Ok(());
                }
                Some('\\') => {
                    self.at += 1;
                    match self.bump() {
                        Some('\n') => {}
                        Some(c @ ('$' | '`' | '\\')) => push(pieces, c.encode_utf8(&mut [0; 4]), true),
                        Some(c) if Some(c) == end => push(pieces, c.encode_utf8(&mut [0; 4]), true),
                        Some(c) => push(pieces, &format!("\\{c}"), true),
                        None => return Err(unmatched("\"")),
                    }
                }
                Some('$') => self.dollar(pieces, true)?,
                Some('`') => return Err(not_built("backquotes; write `$(…)'; that")),
                Some(c) => {
                    self.bump();
                    push(pieces, c.encode_utf8(&mut [0; 4]), true);
                }
            }
        }
    }

    /// `$'…'`, after its opening: escapes as in C.
    fn ansi_quoted(&mut self) -> Result<String, SyntaxError> {
        let mut bytes = Vec::new();
        loop {
            let c = self.bump().ok_or_else(|| unmatched("'"))?;
            if c == '\'' {
                return Ok(super::text::from_bytes(&bytes));
            }
            if c != '\\' {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            match self.bump().ok_or_else(|| unmatched("'"))? {
                'n' => bytes.push(b'\n'),
                't' => bytes.push(b'\t'),
                'r' => bytes.push(b'\r'),
                'a' => bytes.push(7),
                'b' => bytes.push(8),
                'f' => bytes.push(12),
                'v' => bytes.push(11),
                'e' | 'E' => bytes.push(27),
                'x' => bytes.push(self.number(16, 2).unwrap_or(0) as u8),
                'u' => {
                    let c = char::from_u32(self.number(16, 4).unwrap_or(0)).unwrap_or(char::REPLACEMENT_CHARACTER);
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                digit @ '0'..='7' => {
                    self.at -= digit.len_utf8();
                    bytes.push(self.number(8, 3).unwrap_or(0) as u8);
                }
                c @ ('\\' | '\'' | '"' | '?') => bytes.push(c as u8),
                c => {
                    bytes.push(b'\\');
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
    }

    fn number(&mut self, radix: u32, digits_max: usize) -> Option<u32> {
        let digits = self.rest().chars().take(digits_max).take_while(|c| c.is_digit(radix)).count();
        let number = u32::from_str_radix(&self.rest()[..digits], radix).ok();
        self.at += digits;
        number
    }

    fn dollar(&mut self, pieces: &mut Vec<Piece>, quoted: bool) -> Result<(), SyntaxError> {
        self.at += 1;
        let rest = self.rest();
        if rest.starts_with("((") {
            return Err(not_built("arithmetic"));
        }
        if self.eat("(") {
            let list = self.nested(|parser| parser.list(&[]))?;
            self.skip_newlines();
            if !self.eat(")") {
                return Err(unmatched(")"));
            }
            pieces.push(Piece::Substitution { list: Arc::new(list), quoted });
            return Ok(());
        }
        let name = if self.eat("{") {
            let end = self.rest().find('}').ok_or_else(|| unmatched("}"))?;
            let name = &self.rest()[..end];
            self.at += end + 1;
            if !is_name(name) && name != "?" {
                return Err(refused(format!("bash: ${{{name}}}: bad substitution")));
            }
            name
        } else if rest.starts_with('?') {
            self.at += 1;
            "?"
        } else {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            if !is_name(&rest[..end]) {
                push(pieces, "$", quoted);
                return Ok(());
            }
            self.at += end;
            &rest[..end]
        };
        pieces.push(Piece::Variable { name: name.to_owned(), quoted });
        Ok(())
    }
}

pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Adds text to a word, joining it to a neighbour quoted alike.
fn push(pieces: &mut Vec<Piece>, more: &str, is_quoted: bool) {
    if let Some(Piece::Text { text, quoted }) = pieces.last_mut()
        && *quoted == is_quoted
    {
        text.push_str(more);
        return;
    }
    pieces.push(Piece::Text { text: more.to_owned(), quoted: is_quoted });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn words(line: &str, expect: &[&str]) {
        let list = parse(line).unwrap();
        let Body::Simple { words, .. } = &list.0[0].first.commands[0].body else { panic!("not a simple command") };
        let texts: Vec<String> = words
            .iter()
            .map(|word| {
                word.0
                    .iter()
                    .map(|piece| match piece {
                        Piece::Text { text, .. } => text.clone(),
                        Piece::Variable { name, .. } => format!("<{name}>"),
                        Piece::Substitution { .. } => "<()>".to_owned(),
                    })
                    .collect()
            })
            .collect();
        assert_eq!(texts, expect);
    }

    #[test]
    fn words_and_quotes() {
        words("etcdctl put a 1 # note", &["etcdctl", "put", "a", "1"]);
        words(r#"put 'a b' "c $d\"e" f\ g '' "#, &["put", "a b", "c <d>\"e", "f g", ""]);
        words(r#"put $'tab\tkey' $'\x41\102'"#, &["put", "tab\tkey", "AB"]);
        words("echo a#b $ $1 ${X}y$(date)z", &["echo", "a#b", "$", "$1", "<X>y<()>z"]);
        words("A=1 B='x y' echo hi", &["echo", "hi"]);
        words("put k '{\"a\":1}'", &["put", "k", "{\"a\":1}"]);
    }

    #[test]
    fn structure() {
        let list = parse("a && b || ! c | d; (e; f) & for i in 1 2; do g $i; done >/dev/null 2>&1").unwrap();
        assert_eq!(list.0.len(), 3);
        assert_eq!(list.0[0].rest.len(), 2);
        assert_eq!(list.0[0].rest[1].1.commands.len(), 2);
        assert!(list.0[0].rest[1].1.negated);
        assert!(list.0[1].background);
        assert_eq!(list.0[1].text, "(e; f)");
        assert_eq!(list.0[2].first.commands[0].redirects.len(), 2);
        assert!(matches!(list.0[2].first.commands[0].body, Body::For { .. }));
    }

    #[test]
    fn errors_read_like_bash() {
        #[track_caller]
        fn check(line: &str, message: &str) {
            assert_eq!(parse(line).unwrap_err().message, message);
        }
        check("&& a", "bash: syntax error near unexpected token `&&'");
        check("a ;; b", "bash: syntax error near unexpected token `;;'");
        check("a )", "bash: syntax error near unexpected token `)'");
        check("echo 'a", "bash: unexpected EOF while looking for matching `''");
        check("echo $(a", "bash: unexpected EOF while looking for matching `)'");
        check("a &&", "bash: syntax error: unexpected end of file");
        check("a >", "bash: syntax error near unexpected token `newline'");
        check("while true; do a; done", "bash: `while' is not built into this lab's shell");
        check("echo ${x:-1}", "bash: ${x:-1}: bad substitution");
        check("done", "bash: syntax error near unexpected token `done'");
        check(&"( ".repeat(13), "bash: commands nested more than 12 deep");
        assert!(parse(&"x".repeat(LINE_BYTES_MAX + 1)).is_err());
        assert!(parse("").unwrap().0.is_empty());
    }
}
