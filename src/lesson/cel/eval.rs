//! From a syntax tree to a value, paying for every step.

use super::{Expr, FUEL, Function, Macro, Mistake, Node, Object, Operator, Value};
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
    let mut evaluation = Evaluation { names, locals: Vec::new(), fuel: FUEL };
    let result = evaluation.value(node).map_err(|stop| match stop {
        Stop::Failed(mistake) => mistake,
        Stop::OutOfFuel(at) => Mistake { at, message: format!("takes more than {FUEL} steps to evaluate") },
    });
    Outcome { result, spent: FUEL - evaluation.fuel }
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
    locals: Vec<(&'a str, Value<'a>)>,
    fuel: u64,
}

/// Bytes of text that cost as much as one step.
const BYTES_PER_STEP: usize = 64;

fn fail<T>(at: usize, message: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(Mistake { at, message: message.into() }))
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
            Expr::Text(text) => Ok(Value::text(text.as_str())),
            Expr::List(items) => {
                let items: Result<Vec<Value<'a>>, Stop> = items.iter().map(|item| self.value(item)).collect();
                Ok(Value::list(items?))
            }
            Expr::Map(entries) => self.map(entries),
            Expr::Name(name) => self.name(at, name),
            Expr::Select(of, field) => {
                let object = self.object(of)?;
                match object.field(field) {
                    Some(value) => self.paid_for(at, value),
                    None => fail(at, format!("no such key: {field}")),
                }
            }
            Expr::Has(of, field) => Ok(Value::Bool(self.object(of)?.has(field))),
            Expr::Index(of, index) => self.index(at, of, index),
            Expr::Call(function, arguments) => self.call(at, *function, arguments),
            Expr::Not(inner) => Ok(Value::Bool(!self.bool(inner)?)),
            Expr::Negate(inner) => match self.value(inner)? {
                Value::Int(number) => {
                    number.checked_neg().map_or_else(|| fail(at, "int overflow"), |n| Ok(Value::Int(n)))
                }
                other => fail(at, format!("`-` does not apply to {}", other.kind())),
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
            Expr::Each { kind, range, name, condition, body } => {
                self.each(*kind, range, name, condition.as_deref(), body)
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
            None => fail(at, format!("unknown name `{name}`")),
        }
    }

    fn bool(&mut self, node: &'a Node) -> Result<bool, Stop> {
        match self.value(node)? {
            Value::Bool(value) => Ok(value),
            other => fail(node.at, format!("expected bool, found {}", other.kind())),
        }
    }

    fn object(&mut self, node: &'a Node) -> Result<Rc<dyn Object<'a> + 'a>, Stop> {
        match self.value(node)? {
            Value::Map(object) => Ok(object),
            other => fail(node.at, format!("{} has no fields", other.kind())),
        }
    }

    fn map(&mut self, entries: &'a [(Node, Node)]) -> Result<Value<'a>, Stop> {
        let mut out: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
        for (key, value) in entries {
            let Value::Text(name) = self.value(key)? else { return fail(key.at, "a key here is a string") };
            if out.iter().any(|(known, _)| *known == name) {
                return fail(key.at, format!("repeated key: {name}"));
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
                _ => return fail(at, format!("index {position} is outside a list of {}", list.len())),
            },
            (Value::Map(object), Value::Text(key)) => match object.field(key) {
                None => return fail(at, format!("no such key: {key}")),
                found => found,
            },
            _ => return fail(at, format!("{} has no index of type {}", of.kind(), index.kind())),
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
        name: &'a str,
        condition: Option<&'a Node>,
        body: &'a Node,
    ) -> Result<Value<'a>, Stop> {
        let list: Rc<dyn super::Sequence<'a> + 'a> = match self.value(range)? {
            Value::List(list) => list,
            Value::Map(object) => {
                let names = object.names();
                self.pay(range.at, names.len())?;
                Rc::new(names.into_iter().map(Value::Text).collect::<Vec<_>>())
            }
            other => return fail(range.at, format!("expected list or map, found {}", other.kind())),
        };
        let (mut failed, mut count, mut out) = (None, 0, Vec::new());
        for position in 0..list.len() {
            self.pay(range.at, 1)?;
            let Some(item) = list.item(position) else { break };
            let item = self.paid_for(range.at, item)?;
            self.locals.push((name, item.clone()));
            let told = self.tell(kind, condition, body);
            self.locals.pop();
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
                Err(_) => fail(at, "this string is no int"),
            },
            (Function::String, [Value::Text(text)]) => Ok(Value::Text(text.clone())),
            (Function::String, [Value::Int(number)]) => Ok(Value::text(number.to_string())),
            (Function::String, [Value::Bool(value)]) => Ok(Value::text(value.to_string())),
            (_, values) => {
                let kinds: Vec<&str> = values.iter().map(Value::kind).collect();
                fail(at, format!("this function does not apply to ({})", kinds.join(", ")))
            }
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
                let items = |list: Rc<dyn super::Sequence<'a> + 'a>| (0..list.len()).map_while(move |at| list.item(at));
                Ok(Value::list(items(left).chain(items(right)).collect()))
            }
            (_, Value::Int(left), Value::Int(right)) => {
                if right == 0 && matches!(operator, Operator::Divide | Operator::Remainder) {
                    return fail(at, "division by zero");
                }
                let result = match operator {
                    Operator::Add => left.checked_add(right),
                    Operator::Subtract => left.checked_sub(right),
                    Operator::Multiply => left.checked_mul(right),
                    Operator::Divide => left.checked_div(right),
                    _ => left.checked_rem(right),
                };
                result.map_or_else(|| fail(at, "int overflow"), |number| Ok(Value::Int(number)))
            }
            (_, left, right) => {
                fail(at, format!("this operator does not apply to {} and {}", left.kind(), right.kind()))
            }
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
            None => fail(at, format!("{} and {} have no order", left.kind(), right.kind())),
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
            _ => fail(at, format!("`in` does not apply to {} and {}", part.kind(), whole.kind())),
        }
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

enum Told<'a> {
    Bool(bool),
    /// What `map` puts into its list, if anything.
    Item(Option<Value<'a>>),
}
