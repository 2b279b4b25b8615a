//! From a syntax tree to a value, paying for every step.

use super::{Expr, FUEL, Fault, Function, Library, Macro, Mistake, Node, Object, Operator, Sequence, Value};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

/// How an evaluation ended, and what it cost.
pub struct Outcome<'a> {
    pub result: Result<Value<'a>, Mistake>,
    pub spent: u64,
}

/// Evaluates an expression whose names are the fields of `names`.
pub fn eval<'a>(node: &'a Node, names: &'a (dyn Object<'a> + 'a)) -> Outcome<'a> {
    eval_with(node, names, &NoLibrary, FUEL)
}

/// Evaluates with a library, and with fuel of the caller's measure.
pub fn eval_with<'a>(
    node: &'a Node,
    names: &'a (dyn Object<'a> + 'a),
    library: &'a dyn Library,
    fuel: u64,
) -> Outcome<'a> {
    let mut evaluation = Evaluation { names, library, locals: Vec::new(), fuel };
    let result = evaluation.value(node).map_err(|stop| match stop {
        Stop::Failed(mistake) => mistake,
        Stop::OutOfFuel(at) => {
            let message = format!("takes more than {fuel} steps to evaluate");
            Mistake { at, message, fault: Fault::OutOfFuel }
        }
    });
    Outcome { result, spent: fuel - evaluation.fuel }
}

/// Of a language that declares no functions.
struct NoLibrary;

impl Library for NoLibrary {
    fn call<'a>(&self, name: &str, arguments: &[Value<'a>]) -> Result<Value<'a>, (Fault, String)> {
        let kinds: Vec<&str> = arguments.iter().map(Value::kind).collect();
        Err((
            Fault::Overload,
            match name {
                "+" | "-" => format!("this operator does not apply to {}", kinds.join(" and ")),
                _ => format!("this function does not apply to ({})", kinds.join(", ")),
            },
        ))
    }
}

/// Why an evaluation goes no further.
enum Stop {
    /// As CEL has it: `false && failed` is false.
    Failed(Mistake),
    /// Nothing absorbs this.
    OutOfFuel(usize),
}

struct Evaluation<'a> {
    names: &'a (dyn Object<'a> + 'a),
    library: &'a dyn Library,
    locals: Vec<(&'a str, Value<'a>)>,
    fuel: u64,
}

/// Bytes of text that cost as much as one step.
const BYTES_PER_STEP: usize = 64;

fn fail<T>(at: usize, fault: Fault, message: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(Mistake { at, message: message.into(), fault }))
}

impl<'a> Evaluation<'a> {
    fn pay(&mut self, at: usize, steps: usize) -> Result<(), Stop> {
        self.fuel = self.fuel.checked_sub(steps as u64).ok_or(Stop::OutOfFuel(at))?;
        Ok(())
    }

    fn value(&mut self, node: &'a Node) -> Result<Value<'a>, Stop> {
        let at = node.at;
        self.pay(at, 1)?;
        match &node.expr {
            Expr::Null => Ok(Value::Null),
            Expr::Bool(value) => Ok(Value::Bool(*value)),
            Expr::Int(value) => Ok(Value::Int(*value)),
            Expr::Uint(value) => Ok(Value::Uint(*value)),
            Expr::Double(value) => Ok(Value::Double(value.clone())),
            Expr::Text(text) => Ok(Value::text(text.as_str())),
            Expr::List(items) => {
                let items: Result<Vec<Value<'a>>, Stop> = items.iter().map(|item| self.value(item)).collect();
                Ok(Value::list(items?))
            }
            Expr::Map(entries) => self.map(entries),
            Expr::Name(name) => self.name(at, name),
            Expr::Select(of, field) => {
                let object = match self.value(of)? {
                    Value::Map(object) => object,
                    // What a library's value has, the library knows.
                    value @ Value::Opaque(_) => return self.library(at, field, &[value]),
                    other => return fail(of.at, Fault::Overload, format!("{} has no fields", other.kind())),
                };
                match object.field(field) {
                    Some(value) => self.paid_for(at, value),
                    None => fail(at, Fault::NoKey(field.clone()), format!("no such key: {field}")),
                }
            }
            Expr::TrySelect(of, field) => match self.value(of)? {
                Value::Null => Ok(Value::Null),
                Value::Map(object) => {
                    let found = object.field(field).unwrap_or(Value::Null);
                    self.paid_for(at, found)
                }
                other => fail(of.at, Fault::Overload, format!("{} has no fields", other.kind())),
            },
            Expr::TryIndex(of, index) => match self.index(at, of, index) {
                Err(Stop::Failed(Mistake { fault: Fault::NoKey(_) | Fault::Index(_), .. })) => Ok(Value::Null),
                found => found,
            },
            Expr::Has(of, field) => Ok(Value::Bool(self.object(of)?.has(field))),
            Expr::Index(of, index) => self.index(at, of, index),
            Expr::Call(function, arguments) => self.call(at, *function, arguments),
            Expr::Not(inner) => Ok(Value::Bool(!self.bool(inner)?)),
            Expr::Negate(inner) => match self.value(inner)? {
                Value::Int(number) => number
                    .checked_neg()
                    .map_or_else(|| fail(at, Fault::Overflow, "int overflow"), |n| Ok(Value::Int(n))),
                Value::Double(number) => double(at, number.as_f64().map(|number| -number)),
                other => fail(at, Fault::Overload, format!("`-` does not apply to {}", other.kind())),
            },
            Expr::Binary(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.binary(at, *operator, left, right)
            }
            Expr::And(left, right) => self.both(left, right, false),
            Expr::Or(left, right) => self.both(left, right, true),
            Expr::Choose(condition, yes, no) => {
                let chosen = if self.bool(condition)? { yes } else { no };
                self.value(chosen)
            }
            Expr::Each { kind, range, name, second, condition, body } => {
                let names = (name.as_str(), second.as_deref());
                self.each(*kind, range, names, condition.as_deref(), body)
            }
        }
    }

    /// A value that came from outside may have had to be put together.
    fn paid_for(&mut self, at: usize, value: Value<'a>) -> Result<Value<'a>, Stop> {
        if let Value::Text(text) = &value {
            self.pay(at, text.len() / BYTES_PER_STEP)?;
        }
        Ok(value)
    }

    fn name(&mut self, at: usize, name: &str) -> Result<Value<'a>, Stop> {
        if let Some((_, value)) = self.locals.iter().rev().find(|(local, _)| *local == name) {
            return Ok(value.clone());
        }
        match self.names.field(name) {
            Some(value) => self.paid_for(at, value),
            None => fail(at, Fault::Undeclared(name.to_owned()), format!("unknown name `{name}`")),
        }
    }

    fn bool(&mut self, node: &'a Node) -> Result<bool, Stop> {
        match self.value(node)? {
            Value::Bool(value) => Ok(value),
            other => fail(node.at, Fault::Overload, format!("expected bool, found {}", other.kind())),
        }
    }

    fn object(&mut self, node: &'a Node) -> Result<Rc<dyn Object<'a> + 'a>, Stop> {
        match self.value(node)? {
            Value::Map(object) => Ok(object),
            other => fail(node.at, Fault::Overload, format!("{} has no fields", other.kind())),
        }
    }

    fn map(&mut self, entries: &'a [(Node, Node)]) -> Result<Value<'a>, Stop> {
        let mut out: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
        for (key, value) in entries {
            let Value::Text(name) = self.value(key)? else {
                return fail(key.at, Fault::Overload, "a key here is a string");
            };
            if out.iter().any(|(known, _)| *known == name) {
                return fail(key.at, Fault::Other, format!("repeated key: {name}"));
            }
            self.pay(key.at, out.len())?;
            let value = self.value(value)?;
            out.push((name, value));
        }
        Ok(Value::Map(Rc::new(out)))
    }

    fn index(&mut self, at: usize, of: &'a Node, index: &'a Node) -> Result<Value<'a>, Stop> {
        let (of, index) = (self.value(of)?, self.value(index)?);
        let found = match (&of, &index) {
            (Value::List(list), Value::Int(position)) => match usize::try_from(*position) {
                Ok(place) if place < list.len() => list.item(place),
                _ => {
                    let message = format!("index {position} is outside a list of {}", list.len());
                    return fail(at, Fault::Index(*position), message);
                }
            },
            (Value::Map(object), Value::Text(key)) => match object.field(key) {
                None => return fail(at, Fault::NoKey(key.to_string()), format!("no such key: {key}")),
                found => found,
            },
            _ => return fail(at, Fault::Overload, format!("{} has no index of type {}", of.kind(), index.kind())),
        };
        self.paid_for(at, found.unwrap_or(Value::Null))
    }

    /// `&&` (decided by false) and `||` (decided by true): one side that decides outweighs a failure of the other.
    fn both(&mut self, left: &'a Node, right: &'a Node, decides: bool) -> Result<Value<'a>, Stop> {
        let first = match self.bool(left) {
            Ok(value) if value == decides => return Ok(Value::Bool(decides)),
            Err(Stop::OutOfFuel(at)) => return Err(Stop::OutOfFuel(at)),
            first => first,
        };
        match self.bool(right) {
            Ok(value) if value == decides => Ok(Value::Bool(decides)),
            Ok(_) => first.map(Value::Bool),
            Err(Stop::Failed(mistake)) => first.and(Err(Stop::Failed(mistake))),
            Err(stop) => Err(stop),
        }
    }

    fn each(
        &mut self,
        kind: Macro,
        range: &'a Node,
        (name, second): (&'a str, Option<&'a str>),
        condition: Option<&'a Node>,
        body: &'a Node,
    ) -> Result<Value<'a>, Stop> {
        let mut of_map = None;
        let list: Rc<dyn Sequence<'a> + 'a> = match self.value(range)? {
            Value::List(list) => list,
            Value::Map(object) => {
                let names = object.names();
                self.pay(range.at, names.len())?;
                of_map = Some(object);
                Rc::new(names.into_iter().map(Value::Text).collect::<Vec<_>>())
            }
            other => return fail(range.at, Fault::Overload, format!("expected list or map, found {}", other.kind())),
        };
        let (mut failed, mut count, mut out) = (None, 0, Vec::new());
        for position in 0..list.len() {
            self.pay(range.at, 1)?;
            let Some(item) = list.item(position) else { break };
            let item = self.paid_for(range.at, item)?;
            let known = self.locals.len();
            match (second, &of_map, &item) {
                (None, ..) => self.locals.push((name, item.clone())),
                (Some(second), Some(object), Value::Text(key)) => {
                    let value = self.paid_for(range.at, object.field(key).unwrap_or(Value::Null))?;
                    self.locals.extend([(name, item.clone()), (second, value)]);
                }
                (Some(second), ..) => self.locals.extend([(name, Value::Int(position as i64)), (second, item.clone())]),
            }
            let told = self.tell(kind, condition, body);
            self.locals.truncate(known);
            match told {
                Ok(Told::Bool(value)) => match (kind, value) {
                    (Macro::All, false) => return Ok(Value::Bool(false)),
                    (Macro::Exists, true) => return Ok(Value::Bool(true)),
                    (Macro::Filter, true) => out.push(item),
                    (_, value) => count += usize::from(value),
                },
                Ok(Told::Item(Some(value))) => out.push(value),
                Ok(Told::Item(None)) => {}
                // One item that decides outweighs the failure of another.
                Err(Stop::Failed(mistake)) if matches!(kind, Macro::All | Macro::Exists) => {
                    failed = failed.or(Some(mistake));
                }
                Err(stop) => return Err(stop),
            }
        }
        match (kind, failed) {
            (_, Some(mistake)) => Err(Stop::Failed(mistake)),
            (Macro::All, None) => Ok(Value::Bool(true)),
            (Macro::Exists, None) => Ok(Value::Bool(false)),
            (Macro::ExistsOne, None) => Ok(Value::Bool(count == 1)),
            (Macro::Map | Macro::Filter, None) => Ok(Value::list(out)),
        }
    }

    /// What the body of a macro says of one item.
    fn tell(&mut self, kind: Macro, condition: Option<&'a Node>, body: &'a Node) -> Result<Told<'a>, Stop> {
        if kind != Macro::Map {
            return Ok(Told::Bool(self.bool(body)?));
        }
        if let Some(condition) = condition
            && !self.bool(condition)?
        {
            return Ok(Told::Item(None));
        }
        Ok(Told::Item(Some(self.value(body)?)))
    }

    fn call(&mut self, at: usize, function: Function, arguments: &'a [Node]) -> Result<Value<'a>, Stop> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.value(argument)?);
        }
        if let Some(Value::Text(text)) = values.first() {
            self.pay(at, text.len() / BYTES_PER_STEP)?;
        }
        match (function, values.as_slice()) {
            (Function::Size, [Value::Text(text)]) => Ok(Value::Int(text.chars().count() as i64)),
            (Function::Size, [Value::List(list)]) => Ok(Value::Int(list.len() as i64)),
            (Function::Size, [Value::Map(object)]) => {
                let size = object.names().len();
                self.pay(at, size)?;
                Ok(Value::Int(size as i64))
            }
            (Function::Contains, [Value::Text(text), Value::Text(part)]) => Ok(Value::Bool(text.contains(&**part))),
            (Function::StartsWith, [Value::Text(text), Value::Text(part)]) => {
                Ok(Value::Bool(text.starts_with(&**part)))
            }
            (Function::EndsWith, [Value::Text(text), Value::Text(part)]) => Ok(Value::Bool(text.ends_with(&**part))),
            (Function::Int, [Value::Int(number)]) => Ok(Value::Int(*number)),
            (Function::Int, [Value::Text(text)]) => match text.parse() {
                Ok(number) => Ok(Value::Int(number)),
                Err(_) => fail(at, Fault::Other, "this string is no int"),
            },
            (Function::String, [Value::Text(text)]) => Ok(Value::Text(text.clone())),
            (Function::String, [Value::Int(number)]) => Ok(Value::text(number.to_string())),
            (Function::String, [Value::Bool(value)]) => Ok(Value::text(value.to_string())),
            (function, values) => self.library(at, function.name(), values),
        }
    }

    fn binary(&mut self, at: usize, operator: Operator, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>, Stop> {
        match operator {
            Operator::Equal => Ok(Value::Bool(self.equal(at, &left, &right)?)),
            Operator::Unequal => Ok(Value::Bool(!self.equal(at, &left, &right)?)),
            Operator::In => self.contains(at, &left, &right),
            Operator::Less => self.ordered(at, &left, &right, Ordering::is_lt),
            Operator::LessOrEqual => self.ordered(at, &left, &right, Ordering::is_le),
            Operator::Greater => self.ordered(at, &left, &right, Ordering::is_gt),
            Operator::GreaterOrEqual => self.ordered(at, &left, &right, Ordering::is_ge),
            _ => self.arithmetic(at, operator, left, right),
        }
    }

    fn arithmetic(
        &mut self,
        at: usize,
        operator: Operator,
        left: Value<'a>,
        right: Value<'a>,
    ) -> Result<Value<'a>, Stop> {
        match (operator, left, right) {
            (Operator::Add, Value::Text(left), Value::Text(right)) => {
                self.pay(at, (left.len() + right.len()) / BYTES_PER_STEP)?;
                Ok(Value::text(left.into_owned() + &right))
            }
            (Operator::Add, Value::List(left), Value::List(right)) => {
                self.pay(at, left.len() + right.len())?;
                let items = |list: Rc<dyn Sequence<'a> + 'a>| (0..list.len()).map_while(move |at| list.item(at));
                Ok(Value::list(items(left).chain(items(right)).collect()))
            }
            (_, Value::Int(left), Value::Int(right)) => {
                if right == 0 && matches!(operator, Operator::Divide | Operator::Remainder) {
                    let is_division = operator == Operator::Divide;
                    let fault = if is_division { Fault::DivisionByZero } else { Fault::ModulusByZero };
                    return fail(at, fault, "division by zero");
                }
                let result = match operator {
                    Operator::Add => left.checked_add(right),
                    Operator::Subtract => left.checked_sub(right),
                    Operator::Multiply => left.checked_mul(right),
                    Operator::Divide => left.checked_div(right),
                    _ => left.checked_rem(right),
                };
                result.map_or_else(|| fail(at, Fault::Overflow, "int overflow"), |number| Ok(Value::Int(number)))
            }
            (_, Value::Uint(left), Value::Uint(right)) => self.unsigned(at, operator, left, right),
            (_, Value::Double(left), Value::Double(right)) => {
                let (left, right) = (left.as_f64().unwrap_or_default(), right.as_f64().unwrap_or_default());
                match operator {
                    Operator::Add => double(at, Some(left + right)),
                    Operator::Subtract => double(at, Some(left - right)),
                    Operator::Multiply => double(at, Some(left * right)),
                    Operator::Divide => double(at, Some(left / right)),
                    _ => fail(at, Fault::Overload, "this operator does not apply to double and double"),
                }
            }
            (Operator::Add, left @ Value::Opaque(_), right) | (Operator::Add, left, right @ Value::Opaque(_)) => {
                self.library(at, "+", &[left, right])
            }
            (Operator::Subtract, left @ Value::Opaque(_), right) => self.library(at, "-", &[left, right]),
            (_, left, right) => {
                let message = format!("this operator does not apply to {} and {}", left.kind(), right.kind());
                fail(at, Fault::Overload, message)
            }
        }
    }

    fn unsigned(&mut self, at: usize, operator: Operator, left: u64, right: u64) -> Result<Value<'a>, Stop> {
        let result = match operator {
            Operator::Divide | Operator::Remainder if right == 0 => {
                let is_division = operator == Operator::Divide;
                let fault = if is_division { Fault::DivisionByZero } else { Fault::ModulusByZero };
                return fail(at, fault, "division by zero");
            }
            Operator::Add => left.checked_add(right),
            Operator::Subtract => left.checked_sub(right),
            Operator::Multiply => left.checked_mul(right),
            Operator::Divide => left.checked_div(right),
            _ => left.checked_rem(right),
        };
        result.map_or_else(|| fail(at, Fault::Overflow, "uint overflow"), |number| Ok(Value::Uint(number)))
    }

    /// A function or operator that the core does not have. What it reads and makes is paid for by size.
    fn library(&mut self, at: usize, name: &str, arguments: &[Value<'a>]) -> Result<Value<'a>, Stop> {
        for argument in arguments {
            self.pay_for(at, argument)?;
        }
        match self.library.call(name, arguments) {
            Ok(value) => {
                self.pay_for(at, &value)?;
                Ok(value)
            }
            Err((fault, message)) => fail(at, fault, message),
        }
    }

    fn pay_for(&mut self, at: usize, value: &Value<'a>) -> Result<(), Stop> {
        match value {
            Value::Text(text) => self.pay(at, text.len() / BYTES_PER_STEP + 1),
            Value::List(list) => self.pay(at, list.len() + 1),
            _ => self.pay(at, 1),
        }
    }

    fn ordered(
        &mut self,
        at: usize,
        left: &Value<'a>,
        right: &Value<'a>,
        holds: fn(Ordering) -> bool,
    ) -> Result<Value<'a>, Stop> {
        match left.compare(right) {
            Some(ordering) => Ok(Value::Bool(holds(ordering))),
            None => fail(at, Fault::Overload, format!("{} and {} have no order", left.kind(), right.kind())),
        }
    }

    fn contains(&mut self, at: usize, part: &Value<'a>, whole: &Value<'a>) -> Result<Value<'a>, Stop> {
        match (whole, part) {
            (Value::List(list), part) => {
                for position in 0..list.len() {
                    let Some(item) = list.item(position) else { break };
                    if self.equal(at, &item, part)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            (Value::Map(object), Value::Text(key)) => Ok(Value::Bool(object.has(key))),
            _ => fail(at, Fault::Overload, format!("`in` does not apply to {} and {}", part.kind(), whole.kind())),
        }
    }

    /// Whether two lists have the same items, in any order.
    fn same_items(&mut self, at: usize, left: &dyn Sequence<'a>, right: &dyn Sequence<'a>) -> Result<bool, Stop> {
        let mut others: Vec<Value<'a>> = (0..right.len()).filter_map(|place| right.item(place)).collect();
        for place in 0..left.len() {
            let Some(item) = left.item(place) else { return Ok(false) };
            let mut found = None;
            for (place, other) in others.iter().enumerate() {
                if self.equal(at, &item, other)? {
                    found = Some(place);
                    break;
                }
            }
            match found {
                Some(place) => drop(others.swap_remove(place)),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn equal(&mut self, at: usize, left: &Value<'a>, right: &Value<'a>) -> Result<bool, Stop> {
        self.pay(at, 1)?;
        match (left, right) {
            (Value::Null, Value::Null) => Ok(true),
            (Value::Text(left), Value::Text(right)) => {
                self.pay(at, left.len().min(right.len()) / BYTES_PER_STEP)?;
                Ok(left == right)
            }
            (Value::List(left), Value::List(right)) => {
                if left.len() != right.len() {
                    return Ok(false);
                }
                if left.is_unordered() || right.is_unordered() {
                    return self.same_items(at, &**left, &**right);
                }
                for position in 0..left.len() {
                    let (Some(left), Some(right)) = (left.item(position), right.item(position)) else {
                        return Ok(false);
                    };
                    if !self.equal(at, &left, &right)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::Map(left), Value::Map(right)) => {
                let names = left.names();
                self.pay(at, names.len())?;
                if names.len() != right.names().len() {
                    return Ok(false);
                }
                for name in names {
                    let (Some(left), Some(right)) = (left.field(&name), right.field(&name)) else { return Ok(false) };
                    if !self.equal(at, &left, &right)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(left.compare(right) == Some(Ordering::Equal)),
        }
    }
}

/// A number that CEL has; infinity and the like are refused.
fn double<'a>(at: usize, number: Option<impl Into<serde_json::Value>>) -> Result<Value<'a>, Stop> {
    match number.map(Into::into) {
        Some(serde_json::Value::Number(number)) => Ok(Value::Double(number)),
        _ => fail(at, Fault::Overflow, "double overflow"),
    }
}

impl Function {
    fn name(self) -> &'static str {
        match self {
            Function::Size => "size",
            Function::Contains => "contains",
            Function::StartsWith => "startsWith",
            Function::EndsWith => "endsWith",
            Function::Int => "int",
            Function::String => "string",
            Function::Other(name) => name,
        }
    }
}

enum Told<'a> {
    Bool(bool),
    /// What `map` puts into its list, if anything.
    Item(Option<Value<'a>>),
}
