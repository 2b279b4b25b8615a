//! CEL as Kubernetes has it: rules of custom resources, policies, match conditions.
//!
//! Upstream: `k8s.io/apiserver/pkg/cel`. The core with its metering is `crate::cel`; here are the functions that Kubernetes
//! adds to it, objects as values, and the words of cel-go for what is wrong.
//!
//! Simplified: names and functions are checked when an expression is compiled, fields where their types are known
//! ([`types`]); other errors of types show when it is evaluated. The functions of named formats and of
//! semantic versions are not built, nor macros that make maps; optional values are no type of their own, and null stands for
//! none. Cost is counted in steps of our own.

mod authorizer;
mod formatting;
mod library;
mod network;
#[cfg(test)]
mod tests;
pub mod types;
mod values;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::cel::{self, Fault, Language, Mistake, Node, Object, Value};
use library::FUNCTIONS;
use types::Type;

pub use authorizer::{Authorizer, Question, Verdict};
pub(in crate::k8s) use values::parse_duration;

/// Steps that one evaluation may take.
pub const FUEL: u64 = cel::FUEL;

/// An expression that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    source: String,
    tree: Arc<Node>,
    names: Vec<String>,
}

/// A variable of policies that is no JSON.
const AUTHORIZER: &str = "authorizer";

/// Names of types are values too: `type(x) == string`.
const TYPES: [&str; 9] = ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "uint"];

/// Reads an expression over variables of any type. The error is cel-go's: `ERROR: <input>:1:1: …`, and the line with the
/// place.
pub fn compile(source: &str, names: &[&str]) -> Result<Program, String> {
    let variables: Vec<(&str, Type)> = names.iter().map(|name| (*name, Type::Any)).collect();
    compile_typed(source, &variables, None)
}

/// Reads an expression over variables whose types are known, as far as they are, and of a type that it must have.
pub fn compile_typed(source: &str, variables: &[(&str, Type)], expected: Option<&str>) -> Result<Program, String> {
    let mut names: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
    names.extend(TYPES);
    let mut functions = FUNCTIONS.to_vec();
    if names.contains(&AUTHORIZER) {
        functions.extend(authorizer::FUNCTIONS);
    }
    let language = Language { names: &names, functions: &functions, is_full: true };
    let tree = cel::parse(source, &language).map_err(|mistake| show(source, &mistake))?;
    let found = types::check(&tree, variables).map_err(|mistake| show(source, &mistake))?;
    if let (Some(expected), Some(found)) = (expected, found.name())
        && found != expected
    {
        return Err(format!("must evaluate to a {expected}"));
    }
    let names = variables.iter().map(|(name, _)| (*name).to_owned()).collect();
    Ok(Program { source: source.to_owned(), tree: Arc::new(tree), names })
}

impl Program {
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The value over variables in JSON; one that has no value here is null.
    pub fn evaluate(&self, variables: &BTreeMap<String, Json>) -> Result<Json, String> {
        let typed = variables.iter().map(|(name, value)| (&name[..], (value, None)));
        self.evaluate_typed(&typed.collect())
    }

    /// The value over variables, each with its structural schema, if it has one.
    pub fn evaluate_typed(&self, variables: &BTreeMap<&str, (&Json, Option<&Json>)>) -> Result<Json, String> {
        self.evaluate_within(variables, FUEL).0
    }

    /// The same with as many steps as are left, and how many it took.
    pub fn evaluate_within(
        &self,
        variables: &BTreeMap<&str, (&Json, Option<&Json>)>,
        fuel: u64,
    ) -> (Result<Json, String>, u64) {
        self.run(variables, fuel, None)
    }

    /// The value over variables in JSON, with somebody who answers `authorizer`.
    pub fn evaluate_asking(
        &self,
        variables: &BTreeMap<String, Json>,
        authorizer: &dyn Authorizer,
    ) -> Result<Json, String> {
        let typed = variables.iter().map(|(name, value)| (&name[..], (value, None))).collect();
        self.run(&typed, FUEL, Some(authorizer)).0
    }

    fn run(
        &self,
        variables: &BTreeMap<&str, (&Json, Option<&Json>)>,
        fuel: u64,
        authorizer: Option<&dyn Authorizer>,
    ) -> (Result<Json, String>, u64) {
        let names = Variables { known: &self.names, values: variables };
        let library = library::Kubernetes { authorizer };
        let outcome = cel::eval_with(&self.tree, &names, &library, fuel.min(FUEL));
        let value = outcome.result.map_err(|mistake| words(&mistake));
        (value.and_then(|value| values::to_json(&value)), outcome.spent)
    }

    /// Whether it names a variable.
    pub fn mentions(&self, name: &str) -> bool {
        types::mentions(&self.tree, name)
    }
}

struct Variables<'a> {
    known: &'a [String],
    values: &'a BTreeMap<&'a str, (&'a Json, Option<&'a Json>)>,
}

impl<'a> Object<'a> for Variables<'a> {
    fn field(&self, name: &str) -> Option<Value<'a>> {
        match self.values.get(name) {
            Some((value, schema)) => Some(values::of_json(value, *schema)),
            None if name == AUTHORIZER => Some(values::opaque(authorizer::Asking(authorizer::Question::default()))),
            None if self.known.iter().any(|known| known == name) => Some(Value::Null),
            None => TYPES.iter().find(|known| **known == name).map(|name| values::type_value(name)),
        }
    }

    fn names(&self) -> Vec<Cow<'a, str>> {
        self.values.keys().map(|name| Cow::Borrowed(*name)).collect()
    }
}

/// What is wrong with an expression, where it stands.
fn show(source: &str, mistake: &Mistake) -> String {
    // A call is where its arguments begin.
    let is_call = mistake.message.starts_with("unknown function");
    let at = match &mistake.fault {
        Fault::Undeclared(name) if is_call => mistake.at + name.len(),
        _ => mistake.at,
    };
    let before = source.get(..at).unwrap_or(source);
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    let text = source.lines().nth(line).unwrap_or_default();
    let message = match &mistake.fault {
        Fault::Syntax if mistake.message == NO_VALUE => format!("Syntax error: {NO_VALUE_WORDS}"),
        Fault::Syntax => format!("Syntax error: {}", mistake.message),
        _ => words(mistake),
    };
    format!("ERROR: <input>:{}:{}: {message}\n | {text}\n | {}^", line + 1, column + 1, ".".repeat(column))
}

/// The end of an expression where a value was to come.
const NO_VALUE: &str = "unexpected end of the expression; expected a value";
const NO_VALUE_WORDS: &str = "mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', \
    NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

/// The words of cel-go.
fn words(mistake: &Mistake) -> String {
    match &mistake.fault {
        Fault::Undeclared(name) => format!("undeclared reference to '{name}' (in container '')"),
        Fault::Overload => "no such overload".to_owned(),
        Fault::NoKey(key) => format!("no such key: {key}"),
        Fault::Index(index) => format!("index out of bounds: {index}"),
        Fault::Overflow if mistake.message.starts_with("uint") => "unsigned integer overflow".to_owned(),
        Fault::Overflow => "integer overflow".to_owned(),
        Fault::DivisionByZero => "division by zero".to_owned(),
        Fault::ModulusByZero => "modulus by zero".to_owned(),
        Fault::OutOfFuel => "operation cancelled: actual cost limit exceeded".to_owned(),
        Fault::Other if mistake.message == "this string is no int" => {
            "type conversion error from 'string' to 'int'".to_owned()
        }
        Fault::Syntax | Fault::Other => mistake.message.clone(),
    }
}
