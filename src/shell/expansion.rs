//! From the words of a command to its arguments: variables and substitutions, splitting at blanks, redirections.
//!
//! Not here: patterns, braces, arithmetic.

use super::environment::Environment;
use super::files::{self, FileError, Files};
use super::grammar::{Piece, Redirect, Stream, Word};
use super::text;
use bytes::Bytes;
use std::sync::Arc;

/// Where output goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sink {
    Out,
    Err,
    Nowhere,
    /// To the end of the file at this path.
    File(Arc<str>),
}

/// Where input comes from.
pub enum Input {
    Inherited,
    Text(String),
}

/// Puts values in the place of variables and substitutions.
pub struct Expander<'a> {
    environment: &'a Environment,
    status: i32,
    outputs: std::vec::IntoIter<String>,
}

impl<'a> Expander<'a> {
    /// `outputs` are what the substitutions printed, in the order in which they stand.
    pub fn new(environment: &'a Environment, status: i32, outputs: Vec<String>) -> Expander<'a> {
        Expander { environment, status, outputs: outputs.into_iter() }
    }

    fn value(&mut self, piece: &Piece) -> (String, bool) {
        match piece {
            Piece::Text { text, quoted } => (text.clone(), *quoted),
            Piece::Variable { name, quoted } if name == "?" => (self.status.to_string(), *quoted),
            Piece::Variable { name, quoted } => (self.environment.value(name).unwrap_or_default().to_owned(), *quoted),
            Piece::Substitution { quoted, .. } => (self.outputs.next().unwrap_or_default(), *quoted),
        }
    }

    /// The word as one text.
    pub fn joined(&mut self, word: &Word) -> String {
        word.0.iter().map(|piece| self.value(piece).0).collect()
    }

    /// The word as arguments: unquoted values are split at blanks, and vanish if there is nothing in them.
    pub fn fields(&mut self, word: &Word, fields: &mut Vec<String>) {
        let mut field: Option<String> = None;
        for piece in &word.0 {
            let (value, quoted) = self.value(piece);
            if quoted || matches!(piece, Piece::Text { .. }) {
                field.get_or_insert_default().push_str(&value);
                continue;
            }
            let blank = |c: char| matches!(c, ' ' | '\t' | '\n');
            if value.starts_with(blank) {
                fields.extend(field.take());
            }
            let mut parts = value.split(blank).filter(|part| !part.is_empty()).peekable();
            while let Some(part) = parts.next() {
                field.get_or_insert_default().push_str(part);
                if parts.peek().is_some() || value.ends_with(blank) {
                    fields.extend(field.take());
                }
            }
        }
        fields.extend(field);
    }

    /// Opens what the redirections name, in their order: input, output, errors.
    pub fn streams(&mut self, redirects: &[Redirect], files: &mut Files) -> Result<(Input, Sink, Sink), String> {
        let (mut input, mut out, mut err) = (Input::Inherited, Sink::Out, Sink::Err);
        for redirect in redirects {
            match redirect {
                Redirect::HereString(word) => input = Input::Text(self.joined(word) + "\n"),
                Redirect::HereDocument(word) => input = Input::Text(self.joined(word)),
                Redirect::Input(word) => match self.joined(word).as_str() {
                    "/dev/null" => input = Input::Text(String::new()),
                    "/dev/stdin" => {}
                    path => {
                        let content = files.read(path).map_err(|error| format!("bash: {path}: {error}"))?;
                        input = Input::Text(text::from_bytes(&content));
                    }
                },
                Redirect::Output { from, target, append } => {
                    let sink = match self.joined(target).as_str() {
                        "/dev/null" => Sink::Nowhere,
                        "/dev/stdout" => out.clone(),
                        "/dev/stderr" => err.clone(),
                        path => open(path, *append, files).map_err(|error| format!("bash: {path}: {error}"))?,
                    };
                    match from {
                        Stream::One(1) => out = sink,
                        Stream::One(2) => err = sink,
                        Stream::Both => (out, err) = (sink.clone(), sink),
                        Stream::One(other) => return Err(format!("bash: {other}: Bad file descriptor")),
                    }
                }
                Redirect::Duplicate { from, to } => {
                    let sink = if *to == 1 { out.clone() } else { err.clone() };
                    match from {
                        1 => out = sink,
                        2 => err = sink,
                        _ => return Err(format!("bash: {from}: Bad file descriptor")),
                    }
                }
            }
        }
        Ok((input, out, err))
    }
}

/// Makes the file, or empties it unless output is added to its end.
fn open(path: &str, append: bool, files: &mut Files) -> Result<Sink, FileError> {
    if append {
        files.append(path, b"")?;
    } else {
        files.write(path, Bytes::new())?;
    }
    Ok(Sink::File(files::absolute(path).into()))
}
