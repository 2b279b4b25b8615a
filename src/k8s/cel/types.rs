//! Types of expressions, as far as schemas tell: fields that do not exist, and operators that types do not have, are found
//! before anything is evaluated.
//!
//! Upstream: `k8s.io/apiserver/pkg/cel/common` declares types from structural schemas, and cel-go's checker uses them.

use serde_json::Value as Json;

use super::values::{parse_duration, parse_time, unescape};
use crate::cel::{Expr, Fault, Function, Macro, Mistake, Node, Operator};

/// What is known of a value before it is there.
#[derive(Clone, Debug, PartialEq)]
pub enum Type<'t> {
    /// Anything.
    Any,
    /// `int`, `string`
    Named(&'static str),
    List(Box<Type<'t>>),
    Map(Box<Type<'t>>),
    /// An object with these properties and no others; one with a kind has `metadata` too.
    Object {
        schema: &'t Json,
        has_kind: bool,
    },
    /// Rules see names only.
    Metadata,
}

impl<'t> Type<'t> {
    /// The type of what a structural schema describes.
    pub fn of_schema(schema: &'t Json, has_kind: bool) -> Type<'t> {
        let has_kind = has_kind || schema["x-kubernetes-embedded-resource"] == true;
        match schema["type"].as_str().unwrap_or_default() {
            "object" => match &schema["additionalProperties"] {
                inner @ Json::Object(_) => Type::Map(Box::new(Type::of_schema(inner, false))),
                Json::Bool(true) => Type::Map(Box::new(Type::Any)),
                _ => Type::Object { schema, has_kind },
            },
            "array" => Type::List(Box::new(Type::of_schema(&schema["items"], false))),
            "integer" => Type::Named("int"),
            "number" => Type::Named("double"),
            "boolean" => Type::Named("bool"),
            "string" => match schema["format"].as_str() {
                Some("date-time" | "date") => Type::Named("google.protobuf.Timestamp"),
                Some("duration") => Type::Named("google.protobuf.Duration"),
                Some("byte") => Type::Any,
                _ => Type::Named("string"),
            },
            _ => Type::Any,
        }
    }

    /// The name of a type that is known, as cel-go prints it.
    pub fn name(&self) -> Option<String> {
        match self {
            Type::Any => None,
            Type::Named(name) => Some((*name).to_owned()),
            Type::List(inner) => Some(format!("list({})", inner.name().unwrap_or_else(|| "dyn".to_owned()))),
            Type::Map(inner) => Some(format!("map(string, {})", inner.name().unwrap_or_else(|| "dyn".to_owned()))),
            Type::Object { .. } | Type::Metadata => Some("object".to_owned()),
        }
    }

    fn field(&self, at: usize, name: &str) -> Result<Type<'t>, Mistake> {
        match self {
            Type::Any => Ok(Type::Any),
            Type::Map(inner) => Ok((**inner).clone()),
            Type::Object { schema, has_kind } => {
                let plain = unescape(name);
                let name = plain.as_deref().unwrap_or(name);
                match schema["properties"].get(name) {
                    _ if *has_kind && name == "metadata" => Ok(Type::Metadata),
                    _ if *has_kind && matches!(name, "kind" | "apiVersion") => Ok(Type::Named("string")),
                    Some(inner) => Ok(Type::of_schema(inner, false)),
                    None => Err(mistake(at, format!("undefined field '{name}'"))),
                }
            }
            Type::Metadata if matches!(name, "name" | "generateName") => Ok(Type::Named("string")),
            Type::Metadata => Err(mistake(at, format!("undefined field '{name}'"))),
            other => {
                let name = other.name().unwrap_or_default();
                Err(mistake(at, format!("type '{name}' does not support field selection")))
            }
        }
    }

    fn item(&self) -> Type<'t> {
        match self {
            Type::List(inner) | Type::Map(inner) => (**inner).clone(),
            _ => Type::Any,
        }
    }
}

/// The type of an expression over variables of known types.
pub fn check<'t>(node: &Node, variables: &[(&str, Type<'t>)]) -> Result<Type<'t>, Mistake> {
    let known = variables.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone()));
    Checker { names: known.collect() }.ty(node)
}

/// Whether an expression names a variable.
pub fn mentions(node: &Node, wanted: &str) -> bool {
    matches!(&node.expr, Expr::Name(name) if name == wanted)
        || parts(node).into_iter().any(|part| mentions(part, wanted))
}

fn parts(node: &Node) -> Vec<&Node> {
    match &node.expr {
        Expr::List(items) | Expr::Call(_, items) => items.iter().collect(),
        Expr::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
        Expr::Select(inner, _)
        | Expr::TrySelect(inner, _)
        | Expr::Has(inner, _)
        | Expr::Not(inner)
        | Expr::Negate(inner) => vec![inner],
        Expr::Index(one, other)
        | Expr::TryIndex(one, other)
        | Expr::Binary(_, one, other)
        | Expr::And(one, other)
        | Expr::Or(one, other) => {
            vec![one, other]
        }
        Expr::Choose(condition, yes, no) => vec![condition, yes, no],
        Expr::Each { range, condition, body, .. } => {
            condition.iter().map(|node| &**node).chain([&**range, &**body]).collect()
        }
        _ => Vec::new(),
    }
}

struct Checker<'t> {
    names: Vec<(String, Type<'t>)>,
}

impl<'t> Checker<'t> {
    fn ty(&mut self, node: &Node) -> Result<Type<'t>, Mistake> {
        match &node.expr {
            Expr::Null => Ok(Type::Named("null")),
            Expr::Bool(_) => Ok(Type::Named("bool")),
            Expr::Int(_) => Ok(Type::Named("int")),
            Expr::Uint(_) => Ok(Type::Named("uint")),
            Expr::Double(_) => Ok(Type::Named("double")),
            Expr::Text(_) => Ok(Type::Named("string")),
            Expr::List(items) => {
                let types = items.iter().map(|item| self.ty(item)).collect::<Result<Vec<_>, _>>()?;
                let first = types.first().cloned().unwrap_or(Type::Any);
                let is_one = types.iter().all(|ty| *ty == first);
                Ok(Type::List(Box::new(if is_one { first } else { Type::Any })))
            }
            Expr::Map(_) => {
                parts(node).into_iter().try_for_each(|part| self.ty(part).map(drop))?;
                Ok(Type::Any)
            }
            Expr::Name(name) => {
                let known = self.names.iter().rev().find(|(known, _)| known == name);
                Ok(known.map_or(Type::Any, |(_, ty)| ty.clone()))
            }
            Expr::Select(of, field) => self.ty(of)?.field(node.at.saturating_sub(1), field),
            Expr::TrySelect(of, field) => {
                self.ty(of)?.field(node.at.saturating_sub(2), field)?;
                Ok(Type::Any)
            }
            Expr::Has(of, field) => {
                self.ty(of)?.field(node.at + "has".len(), field)?;
                Ok(Type::Named("bool"))
            }
            Expr::Index(of, index) => {
                self.ty(index)?;
                Ok(self.ty(of)?.item())
            }
            Expr::TryIndex(of, index) => {
                self.ty(index)?;
                self.ty(of)?;
                Ok(Type::Any)
            }
            Expr::Call(function, arguments) => {
                let types = arguments.iter().map(|argument| self.ty(argument)).collect::<Result<Vec<_>, _>>()?;
                check_literals(*function, arguments)?;
                Ok(result_of(*function, &types))
            }
            Expr::Not(inner) => self.bools(node.at, "!_", &[inner]),
            Expr::And(one, other) => self.bools(node.at, "_&&_", &[one, other]),
            Expr::Or(one, other) => self.bools(node.at, "_||_", &[one, other]),
            Expr::Negate(inner) => self.ty(inner),
            Expr::Binary(operator, one, other) => self.binary(node.at, *operator, one, other),
            Expr::Choose(condition, yes, no) => {
                self.bools(condition.at, "_?_:_", &[condition])?;
                let (yes, no) = (self.ty(yes)?, self.ty(no)?);
                Ok(if yes == no { yes } else { Type::Any })
            }
            Expr::Each { kind, range, name, second, condition, body } => {
                let range = self.ty(range)?;
                let item = if matches!(range, Type::List(_)) { range.item() } else { Type::Any };
                let known = self.names.len();
                match second {
                    None => self.names.push((name.clone(), item)),
                    Some(second) => self.names.extend([(name.clone(), Type::Any), (second.clone(), item)]),
                }
                let condition = condition.as_deref().map_or(Ok(()), |node| self.ty(node).map(drop));
                let body = condition.and_then(|()| self.ty(body));
                self.names.truncate(known);
                let body = body?;
                Ok(match kind {
                    Macro::All | Macro::Exists | Macro::ExistsOne => Type::Named("bool"),
                    Macro::Filter => range,
                    Macro::Map => Type::List(Box::new(body)),
                })
            }
        }
    }

    fn bools(&mut self, at: usize, operator: &str, nodes: &[&Node]) -> Result<Type<'t>, Mistake> {
        let types = nodes.iter().map(|node| self.ty(node)).collect::<Result<Vec<_>, _>>()?;
        let is_bool = |ty: &Type| matches!(ty, Type::Any | Type::Named("bool"));
        if types.iter().all(is_bool) { Ok(Type::Named("bool")) } else { Err(no_overload(at, operator, &types)) }
    }

    fn binary(&mut self, at: usize, operator: Operator, one: &Node, other: &Node) -> Result<Type<'t>, Mistake> {
        let types = [self.ty(one)?, self.ty(other)?];
        let name = match operator {
            Operator::Add => "_+_",
            Operator::Subtract => "_-_",
            Operator::Multiply => "_*_",
            Operator::Divide => "_/_",
            Operator::Remainder => "_%_",
            Operator::Equal => "_==_",
            Operator::Unequal => "_!=_",
            Operator::Less => "_<_",
            Operator::LessOrEqual => "_<=_",
            Operator::Greater => "_>_",
            Operator::GreaterOrEqual => "_>=_",
            Operator::In => "@in",
        };
        let is_number = |ty: &Type| matches!(ty, Type::Named("int" | "uint" | "double"));
        let plain = |ty: &Type| matches!(ty, Type::Named("bool" | "int" | "uint" | "double" | "string" | "null"));
        match (operator, &types) {
            (Operator::In, [one, Type::List(item)]) if plain(one) && plain(item) && *one != **item => {
                Err(no_overload(at, name, &types))
            }
            (Operator::In, _) => Ok(Type::Named("bool")),
            (
                Operator::Equal | Operator::Unequal,
                [Type::List(_) | Type::Map(_), Type::Named("null")]
                | [Type::Named("null"), Type::List(_) | Type::Map(_)],
            ) => Err(no_overload(at, name, &types)),
            (Operator::Equal | Operator::Unequal, [one, other]) => match plain(one) && plain(other) && one != other {
                true => Err(no_overload(at, name, &types)),
                false => Ok(Type::Named("bool")),
            },
            (Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual, [one, other]) => {
                // Numbers of different kinds have one order.
                let fits = one == other || (is_number(one) && is_number(other));
                match plain(one) && plain(other) && !fits {
                    true => Err(no_overload(at, name, &types)),
                    false => Ok(Type::Named("bool")),
                }
            }
            (_, [one, other]) if one == other && (is_number(one) || operator == Operator::Add) => Ok(one.clone()),
            (_, [one, other]) if plain(one) && plain(other) => Err(no_overload(at, name, &types)),
            _ => Ok(Type::Any),
        }
    }
}

/// What is written out must be right at once.
fn check_literals(function: Function, arguments: &[Node]) -> Result<(), Mistake> {
    let Function::Other(name) = function else { return Ok(()) };
    let Some(Node { at, expr: Expr::Text(text) }) = arguments.last() else { return Ok(()) };
    let is_right = match name {
        "matches" => regex_lite::Regex::new(text).is_ok(),
        "duration" => parse_duration(text).is_some(),
        "timestamp" => parse_time(text).is_ok(),
        _ => true,
    };
    if is_right { Ok(()) } else { Err(mistake(*at, format!("invalid {name} argument"))) }
}

fn result_of<'t>(function: Function, arguments: &[Type<'t>]) -> Type<'t> {
    let name = match function {
        Function::Size | Function::Int => "int",
        Function::Contains | Function::StartsWith | Function::EndsWith => "bool",
        Function::String => "string",
        Function::Other(name) => match name {
            "matches" | "hasValue" | "isIP" | "isCIDR" | "isURL" | "containsIP" | "containsCIDR" | "isQuantity"
            | "isSorted" | "isInteger" | "isLessThan" | "isGreaterThan" | "bool" => "bool",
            "charAt" | "format" | "join" | "lowerAscii" | "upperAscii" | "replace" | "substring" | "trim" | "find" => {
                "string"
            }
            "lastIndexOf" | "indexOf" | "sign" | "compareTo" | "asInteger" => "int",
            "double" | "asApproximateFloat" => "double",
            "split" | "findAll" => return Type::List(Box::new(Type::Named("string"))),
            "min" | "max" => return arguments.first().map_or(Type::Any, Type::item),
            _ => return Type::Any,
        },
    };
    Type::Named(name)
}

fn no_overload(at: usize, operator: &str, types: &[Type]) -> Mistake {
    let names: Vec<String> = types.iter().map(|ty| ty.name().unwrap_or_else(|| "dyn".to_owned())).collect();
    mistake(at, format!("found no matching overload for '{operator}' applied to '({})'", names.join(", ")))
}

fn mistake(at: usize, message: String) -> Mistake {
    Mistake { at, message, fault: Fault::Other }
}
