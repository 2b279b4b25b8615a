//! The Common Expression Language, as much of it as a question about a lab needs, with every evaluation metered.
//!
//! Semantics are those of the specification: `&&` and `||` take the answer of one side even if the other fails,
//! equality between types is false, integers are 64 bits and overflow is an error.
//! Not here: doubles, unsigned integers, bytes, timestamps, durations, messages, `matches`. Each is refused by name.
//!
//! Why not the crate `cel`: it cannot be stopped in the middle of an evaluation, its values are copied in before one
//! begins, it iterates maps in the order of a hash, and it is 125 to 230 KB of a page whose budget is 700. Here a value may be
//! *seen* ([`Object`], [`Sequence`]): what an expression does not look at costs nothing.
//!
//= https://github.com/google/cel-spec/blob/master/doc/langdef.md

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

mod eval;
mod parse;

pub use eval::{Outcome, eval};
pub use parse::parse;

/// Bytes of an expression.
pub const SOURCE_MAX: usize = 4 << 10;
/// How deep an expression may nest: bounds the stack.
pub const DEPTH_MAX: usize = 40;
/// What one evaluation may cost: a few dozen milliseconds in a browser.
pub const FUEL: u64 = 1_000_000;

/// What is wrong with an expression, and where: bytes from its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub at: usize,
    pub message: String,
}

/// A node of the syntax tree with its place in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub at: usize,
    pub expr: Expr,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Name(String),
    Select(Box<Node>, String),
    /// `has(a.b)`
    Has(Box<Node>, String),
    Index(Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Choose(Box<Node>, Box<Node>, Box<Node>),
    /// `range.kind(name, body)`; `map` may have a condition before its body.
    Each {
        kind: Macro,
        range: Box<Node>,
        name: String,
        condition: Option<Box<Node>>,
        body: Box<Node>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

/// A receiver is the first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Int,
    String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Macro {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

/// A map that is looked at, not copied.
pub trait Object<'a> {
    fn field(&self, name: &str) -> Option<Value<'a>>;
    fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }
    /// Keys in order.
    fn names(&self) -> Vec<Cow<'a, str>>;
}

/// A list that is looked at, not copied.
pub trait Sequence<'a> {
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    fn item(&self, position: usize) -> Option<Value<'a>>;
}

#[derive(Clone)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Text(Cow<'a, str>),
    List(Rc<dyn Sequence<'a> + 'a>),
    Map(Rc<dyn Object<'a> + 'a>),
}

impl<'a> Value<'a> {
    pub fn text(text: impl Into<Cow<'a, str>>) -> Value<'a> {
        Value::Text(text.into())
    }

    /// A number of the lab; those that could not be an `int` do not occur.
    pub fn number(number: u64) -> Value<'a> {
        Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }

    pub fn list(items: Vec<Value<'a>>) -> Value<'a> {
        Value::List(Rc::new(items))
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Text(_) => "string",
            Value::List(_) => "list",
            Value::Map(_) => "map",
        }
    }

    /// How two values order, if they do.
    fn compare(&self, other: &Value<'a>) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
            (Value::Int(one), Value::Int(other)) => Some(one.cmp(other)),
            (Value::Text(one), Value::Text(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }
}

impl<'a> Sequence<'a> for Vec<Value<'a>> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn item(&self, position: usize) -> Option<Value<'a>> {
        self.get(position).cloned()
    }
}

/// A map written out in an expression.
impl<'a> Object<'a> for Vec<(Cow<'a, str>, Value<'a>)> {
    fn field(&self, name: &str) -> Option<Value<'a>> {
        self.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    fn names(&self) -> Vec<Cow<'a, str>> {
        self.iter().map(|(key, _)| key.clone()).collect()
    }
}

/// A map with fixed names whose values are made when asked for.
pub struct Record<'a, F> {
    pub names: &'static [&'static str],
    pub get: F,
    pub lifetime: std::marker::PhantomData<&'a ()>,
}

impl<'a, F: Fn(&str) -> Option<Value<'a>>> Record<'a, F> {
    pub fn new(names: &'static [&'static str], get: F) -> Record<'a, F> {
        Record { names, get, lifetime: std::marker::PhantomData }
    }
}

impl<'a, F: Fn(&str) -> Option<Value<'a>>> Object<'a> for Record<'a, F> {
    fn field(&self, name: &str) -> Option<Value<'a>> {
        self.names.contains(&name).then(|| (self.get)(name)).flatten()
    }

    fn names(&self) -> Vec<Cow<'a, str>> {
        self.names.iter().filter(|name| self.has(name)).map(|name| Cow::Borrowed(*name)).collect()
    }
}

/// A list whose items are made when asked for.
pub struct Series<F> {
    pub len: usize,
    pub get: F,
}

impl<'a, F: Fn(usize) -> Option<Value<'a>>> Sequence<'a> for Series<F> {
    fn len(&self) -> usize {
        self.len
    }

    fn item(&self, position: usize) -> Option<Value<'a>> {
        (self.get)(position)
    }
}

#[cfg(test)]
mod tests;
