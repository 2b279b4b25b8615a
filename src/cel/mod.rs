//! The Common Expression Language, with every evaluation metered: what lessons ask of a lab, and the core of what Kubernetes
//! asks of objects.
//!
//! Semantics are those of the specification: `&&` and `||` take the answer of one side even if the other fails,
//! equality between types is false, integers are 64 bits and overflow is an error.
//! A [`Language`] names the variables and functions beyond the core, and says whether there are doubles, unsigned integers
//! and optional steps; a [`Library`] calls the functions.
//! Not here: bytes, messages, macros that make maps. Each is refused. Null stands for an optional value that is not there.
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

use serde_json::Number;

pub use eval::{Outcome, eval, eval_with};
pub use parse::{is_reserved, parse};

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
    pub fault: Fault,
}

/// What kind of mistake it is, for those who have words of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Syntax,
    /// A name or function that nobody declared.
    Undeclared(String),
    /// An operator or function that these values do not have.
    Overload,
    NoKey(String),
    Index(i64),
    Overflow,
    DivisionByZero,
    ModulusByZero,
    OutOfFuel,
    /// The message says it.
    Other,
}

/// What an expression may name and write beyond the core.
#[derive(Clone, Copy, Debug)]
pub struct Language<'l> {
    pub names: &'l [&'l str],
    pub functions: &'l [Signature],
    /// There are doubles, unsigned integers, and steps that need not lead anywhere: `a.?b`.
    pub is_full: bool,
}

/// A function of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    pub name: &'static str,
    /// Called on a value, which is its first argument: `text.trim()`.
    pub is_method: bool,
    /// The fewest and the most arguments, without that value.
    pub arguments: (usize, usize),
}

/// Calls the functions that a language declares, and operators on values that the core does not know: `+`, `-`.
pub trait Library {
    fn call<'a>(&self, name: &str, arguments: &[Value<'a>]) -> Result<Value<'a>, (Fault, String)>;
}

/// A value that only a library knows.
pub trait Opaque {
    fn kind(&self) -> &'static str;
    fn as_any(&self) -> &dyn std::any::Any;
    /// How it orders with another, if it does.
    fn compare(&self, other: &dyn Opaque) -> Option<Ordering>;
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
    Uint(u64),
    Double(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Name(String),
    Select(Box<Node>, String),
    /// `a.?b`: null if there is no such field.
    TrySelect(Box<Node>, String),
    /// `has(a.b)`
    Has(Box<Node>, String),
    Index(Box<Node>, Box<Node>),
    /// `a[?b]`
    TryIndex(Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Choose(Box<Node>, Box<Node>, Box<Node>),
    /// `range.kind(name, body)`; `map` may have a condition before its body. With a second name the first stands for the place
    /// or key of an item.
    Each {
        kind: Macro,
        range: Box<Node>,
        name: String,
        second: Option<String>,
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
    /// One of a library.
    Other(&'static str),
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
    /// Items in another order are the same list.
    fn is_unordered(&self) -> bool {
        false
    }
}

#[derive(Clone)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(Number),
    Text(Cow<'a, str>),
    List(Rc<dyn Sequence<'a> + 'a>),
    Map(Rc<dyn Object<'a> + 'a>),
    Opaque(Rc<dyn Opaque>),
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
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::Text(_) => "string",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Opaque(value) => value.kind(),
        }
    }

    /// How two values order, if they do.
    pub fn compare(&self, other: &Value<'a>) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
            (Value::Int(one), Value::Int(other)) => Some(one.cmp(other)),
            (Value::Text(one), Value::Text(other)) => Some(one.cmp(other)),
            (Value::Opaque(one), Value::Opaque(other)) => one.compare(&**other),
            _ => compare_numbers(self, other),
        }
    }
}

/// Numbers of all kinds have one order.
fn compare_numbers(one: &Value, other: &Value) -> Option<Ordering> {
    let whole = |value: &Value| match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::Uint(number) => Some(i128::from(*number)),
        _ => None,
    };
    let number = |value: &Value| match value {
        Value::Int(number) => Some(Number::from(*number)),
        Value::Uint(number) => Some(Number::from(*number)),
        Value::Double(number) => Some(number.clone()),
        _ => None,
    };
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => number(one)?.as_f64()?.partial_cmp(&number(other)?.as_f64()?),
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
