//! Prints as go-yaml v2 does: keys in its natural order, lists not indented, long words wrapped after column 80.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::scalar::is_ambiguous;
use crate::k8s::json::number;

/// A document, with a line break at its end.
pub fn to_string(value: &Value) -> String {
    let mut printer = Printer { out: String::new(), column: 0, indention: true, whitespace: true };
    printer.node(value, Place { indent: None, of_mapping: false });
    printer.write_indent(0);
    printer.out
}

/// Words are broken at the first space beyond this column.
const WIDTH: usize = 80;
const INDENT: usize = 2;
/// A longer key stands after a question mark.
const KEY_BYTES_MAX: usize = 128;

/// What there is around a node.
#[derive(Clone, Copy)]
struct Place {
    /// Of the collection around it; none at the root.
    indent: Option<usize>,
    of_mapping: bool,
}

struct Printer {
    out: String,
    column: usize,
    /// Only indentation and indicators stand on the line.
    indention: bool,
    /// The last thing written was white.
    whitespace: bool,
}

impl Printer {
    fn node(&mut self, value: &Value, place: Place) {
        match value {
            Value::Object(map) if map.is_empty() => self.indicator("{}", true, false),
            Value::Array(items) if items.is_empty() => self.indicator("[]", true, false),
            Value::Object(map) => self.mapping(map, place),
            Value::Array(items) => self.sequence(items, place),
            Value::String(text) => self.text(text, place, false),
            Value::Null => self.plain("null", 0, false),
            Value::Bool(value) => self.plain(if *value { "true" } else { "false" }, 0, false),
            Value::Number(value) => self.plain(&number::shortest_g(value), 0, false),
        }
    }

    fn mapping(&mut self, map: &Map<String, Value>, place: Place) {
        let indent = place.indent.map_or(0, |indent| indent + INDENT);
        let mut entries: Vec<(&String, &Value)> = map.iter().collect();
        entries.sort_by(|(a, _), (b, _)| natural(a, b));
        for (key, value) in entries {
            self.write_indent(indent);
            let inner = Place { indent: Some(indent), of_mapping: true };
            if key.len() <= KEY_BYTES_MAX && !key.chars().any(is_break) {
                self.text(key, inner, true);
                self.indicator(":", false, false);
            } else {
                self.indicator("?", true, true);
                self.text(key, inner, false);
                self.write_indent(indent);
                self.indicator(":", true, true);
            }
            self.node(value, inner);
        }
    }

    fn sequence(&mut self, items: &[Value], place: Place) {
        let is_flush = place.of_mapping && !self.indention;
        let indent = place.indent.map_or(0, |indent| if is_flush { indent } else { indent + INDENT });
        for item in items {
            self.write_indent(indent);
            self.indicator("-", true, true);
            self.node(item, Place { indent: Some(indent), of_mapping: false });
        }
    }

    fn text(&mut self, text: &str, place: Place, is_key: bool) {
        let indent = place.indent.map_or(INDENT, |indent| indent + INDENT);
        match style(text, is_key) {
            Style::Plain => self.plain(text, indent, !is_key),
            Style::Single => self.single(text, indent, !is_key),
            Style::Double => self.double(text, indent, !is_key),
            Style::Literal => self.literal(text, indent),
        }
    }

    fn plain(&mut self, text: &str, indent: usize, may_wrap: bool) {
        if !self.whitespace {
            self.put(' ');
        }
        let mut was_space = false;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c == ' ' && may_wrap && !was_space && self.column > WIDTH && chars.peek() != Some(&' ') {
                self.write_indent(indent);
            } else {
                self.put(c);
                self.indention &= c == ' ';
            }
            was_space = c == ' ';
        }
        self.whitespace = false;
        self.indention = false;
    }

    fn single(&mut self, text: &str, indent: usize, may_wrap: bool) {
        self.indicator("'", true, false);
        let (mut was_space, mut was_break) = (false, false);
        for (at, c) in text.char_indices() {
            let next = text[at + c.len_utf8()..].chars().next();
            if c == ' ' {
                if may_wrap && !was_space && self.column > WIDTH && at > 0 && next.is_some_and(|next| next != ' ') {
                    self.write_indent(indent);
                } else {
                    self.put(c);
                }
                was_space = true;
            } else if is_break(c) {
                if !was_break && c == '\n' {
                    self.put_break();
                }
                self.put_line_break(c);
                self.indention = true;
                was_break = true;
            } else {
                if was_break {
                    self.write_indent(indent);
                }
                if c == '\'' {
                    self.put('\'');
                }
                self.put(c);
                self.indention = false;
                (was_space, was_break) = (false, false);
            }
        }
        self.indicator("'", false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn double(&mut self, text: &str, indent: usize, may_wrap: bool) {
        self.indicator("\"", true, false);
        let mut was_space = false;
        for (at, c) in text.char_indices() {
            let next = text[at + c.len_utf8()..].chars().next();
            if !is_printable(c) || is_break(c) || matches!(c, '"' | '\\' | '\u{feff}') {
                escape(c).chars().for_each(|c| self.put(c));
                was_space = false;
            } else if c == ' ' && may_wrap && !was_space && self.column > WIDTH && at > 0 && next.is_some() {
                self.write_indent(indent);
                if next == Some(' ') {
                    self.put('\\');
                }
                was_space = true;
            } else {
                self.put(c);
                was_space = c == ' ';
            }
        }
        self.indicator("\"", false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.indicator("|", true, false);
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.indicator("2", false, false);
        }
        let mut ends = text.chars().rev().map(is_break);
        match (ends.next(), ends.next()) {
            (Some(false), _) => self.indicator("-", false, false),
            (Some(true), None | Some(true)) => self.indicator("+", false, false),
            _ => {}
        }
        self.put_break();
        self.indention = true;
        self.whitespace = true;
        let mut was_break = true;
        for c in text.chars() {
            if is_break(c) {
                self.put_line_break(c);
                self.indention = true;
            } else {
                if was_break {
                    self.write_indent(indent);
                }
                self.put(c);
                self.indention = false;
            }
            was_break = is_break(c);
        }
    }

    fn indicator(&mut self, text: &str, needs_space: bool, is_indention: bool) {
        if needs_space && !self.whitespace {
            self.put(' ');
        }
        text.chars().for_each(|c| self.put(c));
        self.whitespace = false;
        self.indention &= is_indention;
    }

    /// Goes to a column, on a new line unless this one is still empty up to there.
    fn write_indent(&mut self, indent: usize) {
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn put_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    /// A break of the text, which stays what it was.
    fn put_line_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

fn style(text: &str, is_key: bool) -> Style {
    let allowed = analyze(text);
    let wanted = match () {
        () if text.contains('\n') => Style::Literal,
        () if !is_ambiguous(text) => Style::Plain,
        () => Style::Double,
    };
    match wanted {
        Style::Literal if is_key || !allowed.literal => Style::Double,
        Style::Plain if allowed.plain => Style::Plain,
        Style::Plain if allowed.single => Style::Single,
        Style::Plain => Style::Double,
        style => style,
    }
}

/// The styles in which a text comes back as it was.
struct Allowed {
    plain: bool,
    single: bool,
    literal: bool,
}

fn analyze(text: &str) -> Allowed {
    let chars: Vec<char> = text.chars().collect();
    let is_blank = |at: usize| chars.get(at).is_none_or(|c| matches!(c, ' ' | '\t') || is_break(*c));
    let (mut indicators, mut special, mut breaks) = (text.starts_with("---") || text.starts_with("..."), false, false);
    let (mut break_space, mut space_break) = (false, false);
    for (at, c) in chars.iter().enumerate() {
        // The end counts as blank for what follows, not for what precedes.
        let is_followed = at + 1 >= chars.len() || matches!(chars[at + 1], ' ' | '\t');
        indicators |= match c {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`'
                if at == 0 =>
            {
                true
            }
            '?' | '-' if at == 0 => is_followed,
            ':' => is_followed,
            '#' => is_blank(at - 1),
            _ => false,
        };
        special |= !is_printable(*c);
        breaks |= is_break(*c);
        let before = at.checked_sub(1).map(|at| chars[at]);
        break_space |= *c == ' ' && before.is_some_and(is_break);
        space_break |= is_break(*c) && before == Some(' ');
    }
    let is_white = |c: Option<&char>| c.is_some_and(|c| *c == ' ' || is_break(*c));
    let edges = is_white(chars.first()) || is_white(chars.last());
    Allowed {
        plain: !(indicators || special || breaks || break_space || space_break || edges),
        single: !(special || break_space || space_break),
        literal: !(text.is_empty() || special || space_break || chars.last() == Some(&' ')),
    }
}

/// What YAML 1.1 may show as it is; go-yaml leaves out the characters of four bytes.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && c != '\u{feff}'
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn escape(c: char) -> String {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(c);
            return match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}

/// go-yaml's order of keys: letters after everything else, numbers by their value.
fn natural(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else { return a.len().cmp(&b.len()) };
    match (a[at].is_alphabetic(), b[at].is_alphabetic()) {
        (true, true) => return a[at].cmp(&b[at]),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero after other digits makes the longer number the larger one.
    let begins = a[at] == '0' || b[at] == '0';
    let before = a[..at].iter().rev().take_while(|c| c.is_ascii_digit());
    let start = i64::from(begins && before.into_iter().any(|c| *c != '0'));
    let number = |chars: &[char]| {
        let digits = chars[at..].iter().take_while(|c| c.is_ascii_digit());
        digits.fold((start, at), |(value, end), c| {
            (value.wrapping_mul(10).wrapping_add(i64::from(u32::from(*c) - u32::from('0'))), end + 1)
        })
    };
    number(&a).cmp(&number(&b)).then(a[at].cmp(&b[at]))
}
