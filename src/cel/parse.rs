//! From text to a syntax tree, by recursive descent along the grammar of the specification.

use serde_json::Number;

use super::{DEPTH_MAX, Expr, Fault, Function, Language, Macro, Mistake, Node, Operator, SOURCE_MAX, Signature};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Int(u64),
    Uint(u64),
    Double(Number),
    Text(String),
    /// Operators and brackets.
    Mark(&'static str),
    End,
}

/// Longest first, so that `<=` is not read as `<`.
const MARKS: [&str; 25] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "?", ":", ".", ",", "(", ")", "[", "]", "{", "}", "+", "-", "*",
    "/", "%", "=",
];

/// Whether the specification keeps a name for itself; literals but `null` are no names to begin with.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

const RESERVED: [&str; 19] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "in",
    "null",
];

fn syntax(at: usize, message: impl Into<String>) -> Mistake {
    Mistake { at, message: message.into(), fault: Fault::Syntax }
}

/// Reads an expression of a language.
///
/// # Errors
/// The first mistake.
pub fn parse(source: &str, language: &Language) -> Result<Node, Mistake> {
    if source.len() > SOURCE_MAX {
        let message = format!("an expression of {} bytes; at most {SOURCE_MAX} are read", source.len());
        return Err(syntax(0, message));
    }
    let tokens = tokens(source, language)?;
    let mut parser = Parser { tokens, next: 0, depth: 0, language, locals: Vec::new() };
    let node = parser.expression()?;
    match parser.peek() {
        Token::End => Ok(node),
        token => Err(parser.mistake(format!("unexpected {}; expected an operator or the end", shown(token)))),
    }
}

fn tokens(source: &str, language: &Language) -> Result<Vec<(usize, Token)>, Mistake> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        let raw = rest.len() > 1 && matches!(c, 'r' | 'R') && matches!(rest.as_bytes()[1], b'"' | b'\'');
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if raw || matches!(c, '"' | '\'') {
            let (text, length) = string(rest, raw).map_err(|message| syntax(at, message))?;
            out.push((at, Token::Text(text)));
            at += length;
        } else if c.is_ascii_digit() {
            let read = if language.is_full { number(rest) } else { None };
            let read = read.map_or_else(|| integer(rest).map(|(int, length)| (Token::Int(int), length)), Ok);
            let (token, length) = read.map_err(|message| syntax(at, message))?;
            out.push((at, token));
            at += length;
        } else if c.is_ascii_alphabetic() || c == '_' {
            let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
            out.push((at, Token::Name(rest[..length].to_owned())));
            at += length;
        } else if let Some(mark) = MARKS.iter().find(|mark| rest.starts_with(**mark)) {
            out.push((at, Token::Mark(mark)));
            at += mark.len();
        } else {
            return Err(syntax(at, format!("unexpected character `{c}`")));
        }
    }
    out.push((source.len(), Token::End));
    Ok(out)
}

/// A number, and how long it is in the source.
fn integer(rest: &str) -> Result<(u64, usize), String> {
    let hex = rest.starts_with("0x") || rest.starts_with("0X");
    let start = if hex { 2 } else { 0 };
    let length = start + rest[start..].bytes().take_while(u8::is_ascii_alphanumeric).count();
    let fraction = rest[length..].starts_with('.') && rest[length + 1..].starts_with(|c: char| c.is_ascii_digit());
    let number = u64::from_str_radix(&rest[start..length], if hex { 16 } else { 10 });
    match number {
        Ok(number) if !fraction && number <= 1 << 63 => Ok((number, length)),
        _ => Err(format!("\"{}\" is no int; expected a whole number of 64 bits", &rest[..length])),
    }
}

/// A double or an unsigned integer, if it is one.
fn number(rest: &str) -> Option<(Token, usize)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let prefix = if rest.starts_with("0x") { 2 } else { 0 };
    let whole = prefix + rest[prefix..].bytes().take_while(u8::is_ascii_hexdigit).count();
    if rest[whole..].starts_with(['u', 'U']) {
        let radix = if prefix > 0 { 16 } else { 10 };
        let value = u64::from_str_radix(&rest[prefix..whole], radix).ok()?;
        return Some((Token::Uint(value), whole + 1));
    }
    let mut length = digits(rest);
    let is_fraction = rest[length..].starts_with('.') && digits(&rest[length + 1..]) > 0;
    if is_fraction {
        length += 1 + digits(&rest[length + 1..]);
    }
    let after = rest[length..].strip_prefix(['e', 'E']).map(|after| after.trim_start_matches(['+', '-']));
    let exponent = after.map_or(0, digits);
    if exponent > 0 {
        let sign = usize::from(rest[length + 1..].starts_with(['+', '-']));
        length += 1 + sign + exponent;
    } else if !is_fraction {
        return None;
    }
    let value: Number = rest[..length].parse().ok()?;
    Some((Token::Double(value), length))
}

/// A string literal, and how long it is in the source.
fn string(rest: &str, raw: bool) -> Result<(String, usize), String> {
    let start = usize::from(raw);
    let quote = rest.as_bytes()[start] as char;
    let triple: String = [quote; 3].iter().collect();
    let end: &str = if rest[start..].starts_with(&triple) { &triple } else { &triple[..1] };
    let mut at = start + end.len();
    let mut out = String::new();
    loop {
        let left = &rest[at..];
        let Some(c) = left.chars().next() else { return Err(format!("a string without its closing {end}")) };
        if left.starts_with(end) {
            return Ok((out, at + end.len()));
        }
        if c == '\n' && end.len() == 1 {
            return Err(format!("a string without its closing {end}"));
        }
        if c != '\\' || raw {
            out.push(c);
            at += c.len_utf8();
            continue;
        }
        let (escaped, length) = escape(&left[1..])?;
        out.push(escaped);
        at += 1 + length;
    }
}

/// What follows a backslash.
fn escape(rest: &str) -> Result<(char, usize), String> {
    let wrong = || "an unknown escape in a string; expected \\n, \\t, \\\\, \\\", \\', \\xHH or \\uHHHH".to_owned();
    let code = |digits: usize| {
        let hex = rest.get(1..1 + digits)?;
        Some((char::from_u32(u32::from_str_radix(hex, 16).ok()?)?, 1 + digits))
    };
    match rest.chars().next() {
        Some('n') => Ok(('\n', 1)),
        Some('t') => Ok(('\t', 1)),
        Some('r') => Ok(('\r', 1)),
        Some(c @ ('\\' | '"' | '\'' | '`' | '?')) => Ok((c, 1)),
        Some('x' | 'X') => code(2).ok_or_else(wrong),
        Some('u') => code(4).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Name(name) => format!("`{name}`"),
        Token::Int(number) => format!("`{number}`"),
        Token::Uint(number) => format!("`{number}u`"),
        Token::Double(number) => format!("`{number}`"),
        Token::Text(text) => format!("string \"{text}\""),
        Token::Mark(mark) => format!("`{mark}`"),
        Token::End => "end of the expression".to_owned(),
    }
}

struct Parser<'a> {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
    language: &'a Language<'a>,
    /// Names that macros around this place have bound.
    locals: Vec<String>,
}

type Parsed = Result<Node, Mistake>;

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    fn at(&self) -> usize {
        self.tokens[self.next].0
    }

    fn mistake(&self, message: String) -> Mistake {
        syntax(self.at(), message)
    }

    fn take(&mut self) -> Token {
        let token = self.tokens[self.next].1.clone();
        // The last token is `End`; it is never passed.
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn take_if(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek(), Token::Mark(found) if *found == mark);
        if found {
            self.take();
        }
        found
    }

    fn expect(&mut self, mark: &str) -> Result<(), Mistake> {
        if self.take_if(mark) {
            return Ok(());
        }
        Err(self.mistake(format!("unexpected {}; expected `{mark}`", shown(self.peek()))))
    }

    fn deeper(&mut self) -> Result<(), Mistake> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.mistake(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        Ok(())
    }

    fn expression(&mut self) -> Parsed {
        self.deeper()?;
        let at = self.at();
        let condition = self.or()?;
        let node = if self.take_if("?") {
            let yes = self.or()?;
            self.expect(":")?;
            let no = self.expression()?;
            Node { at, expr: Expr::Choose(Box::new(condition), Box::new(yes), Box::new(no)) }
        } else {
            condition
        };
        self.depth -= 1;
        Ok(node)
    }

    /// A chain of one operator is balanced, so that a long one is not a deep one.
    fn chain(
        &mut self,
        mark: &str,
        operand: fn(&mut Self) -> Parsed,
        join: fn(Box<Node>, Box<Node>) -> Expr,
    ) -> Parsed {
        let mut operands = vec![operand(self)?];
        while self.take_if(mark) {
            operands.push(operand(self)?);
        }
        while operands.len() > 1 {
            let mut paired = Vec::with_capacity(operands.len().div_ceil(2));
            let mut nodes = operands.into_iter();
            while let Some(left) = nodes.next() {
                paired.push(match nodes.next() {
                    Some(right) => Node { at: left.at, expr: join(Box::new(left), Box::new(right)) },
                    None => left,
                });
            }
            operands = paired;
        }
        Ok(operands.remove(0))
    }

    fn or(&mut self) -> Parsed {
        self.chain("||", Self::and, Expr::Or)
    }

    fn and(&mut self) -> Parsed {
        self.chain("&&", Self::relation, Expr::And)
    }

    fn relation(&mut self) -> Parsed {
        self.left_to_right(Self::sum, |token| match token {
            Token::Mark("==") => Some(Operator::Equal),
            Token::Mark("!=") => Some(Operator::Unequal),
            Token::Mark("<") => Some(Operator::Less),
            Token::Mark("<=") => Some(Operator::LessOrEqual),
            Token::Mark(">") => Some(Operator::Greater),
            Token::Mark(">=") => Some(Operator::GreaterOrEqual),
            Token::Name(name) if name == "in" => Some(Operator::In),
            _ => None,
        })
    }

    fn sum(&mut self) -> Parsed {
        self.left_to_right(Self::product, |token| match token {
            Token::Mark("+") => Some(Operator::Add),
            Token::Mark("-") => Some(Operator::Subtract),
            _ => None,
        })
    }

    fn product(&mut self) -> Parsed {
        self.left_to_right(Self::unary, |token| match token {
            Token::Mark("*") => Some(Operator::Multiply),
            Token::Mark("/") => Some(Operator::Divide),
            Token::Mark("%") => Some(Operator::Remainder),
            _ => None,
        })
    }

    fn left_to_right(&mut self, operand: fn(&mut Self) -> Parsed, operator: fn(&Token) -> Option<Operator>) -> Parsed {
        let depth = self.depth;
        let mut left = operand(self)?;
        while let Some(found) = operator(self.peek()) {
            self.deeper()?;
            let at = self.at();
            self.take();
            let right = operand(self)?;
            left = Node { at, expr: Expr::Binary(found, Box::new(left), Box::new(right)) };
        }
        self.depth = depth;
        Ok(left)
    }

    fn unary(&mut self) -> Parsed {
        let at = self.at();
        if self.take_if("!") {
            self.deeper()?;
            let inner = self.unary()?;
            self.depth -= 1;
            return Ok(Node { at, expr: Expr::Not(Box::new(inner)) });
        }
        if self.take_if("-") {
            if let Token::Int(number) = *self.peek() {
                self.take();
                return self.members(Node { at, expr: Expr::Int((number as i64).wrapping_neg()) });
            }
            if let Token::Double(number) = self.peek().clone() {
                self.take();
                let negative = format!("-{number}").parse().unwrap_or(number);
                return self.members(Node { at, expr: Expr::Double(negative) });
            }
            self.deeper()?;
            let inner = self.unary()?;
            self.depth -= 1;
            return Ok(Node { at, expr: Expr::Negate(Box::new(inner)) });
        }
        let primary = self.primary()?;
        self.members(primary)
    }

    fn members(&mut self, mut node: Node) -> Parsed {
        let depth = self.depth;
        // After a step that need not lead anywhere, none of the following need.
        let mut is_optional = false;
        loop {
            let at = self.at();
            if self.take_if(".") {
                self.deeper()?;
                is_optional |= self.language.is_full && self.take_if("?");
                let at = self.at();
                let Token::Name(name) = self.take() else {
                    return Err(syntax(at, "expected a field or function after `.`"));
                };
                node = if self.take_if("(") {
                    is_optional = false;
                    self.method(at, node, &name)?
                } else if is_optional {
                    Node { at, expr: Expr::TrySelect(Box::new(node), name) }
                } else {
                    Node { at, expr: Expr::Select(Box::new(node), name) }
                };
            } else if self.take_if("[") {
                self.deeper()?;
                is_optional |= self.language.is_full && self.take_if("?");
                let index = Box::new(self.expression()?);
                self.expect("]")?;
                let of = Box::new(node);
                let expr = if is_optional { Expr::TryIndex(of, index) } else { Expr::Index(of, index) };
                node = Node { at, expr };
            } else {
                self.depth = depth;
                return Ok(node);
            }
        }
    }

    fn primary(&mut self) -> Parsed {
        let at = self.at();
        let expr = match self.take() {
            Token::Int(number) => match i64::try_from(number) {
                Ok(number) => Expr::Int(number),
                Err(_) => return Err(syntax(at, format!("{number} is too large for an int"))),
            },
            Token::Uint(number) => Expr::Uint(number),
            Token::Double(number) => Expr::Double(number),
            Token::Text(text) => Expr::Text(text),
            Token::Mark("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Mark("[") => Expr::List(self.list("]")?),
            Token::Mark("{") => self.map()?,
            Token::Name(name) => match name.as_str() {
                "true" => Expr::Bool(true),
                "false" => Expr::Bool(false),
                "null" => Expr::Null,
                _ if self.take_if("(") => return self.function(at, &name),
                _ if self.locals.contains(&name) || self.language.names.contains(&name.as_str()) => Expr::Name(name),
                _ if self.spaced(&name).is_some() => return self.spaced_call(at, &name),
                _ => {
                    let known = self.language.names.join(", ");
                    let message = format!("unknown name `{name}`; expected one of {known}");
                    return Err(Mistake { at, message, fault: Fault::Undeclared(name) });
                }
            },
            token => {
                let message = format!("unexpected {}; expected a value", shown(&token));
                return Err(syntax(at, message));
            }
        };
        Ok(Node { at, expr })
    }

    /// Expressions up to the closing mark; a comma may follow the last.
    fn list(&mut self, end: &str) -> Result<Vec<Node>, Mistake> {
        let mut items = Vec::new();
        while !self.take_if(end) {
            items.push(self.expression()?);
            if !self.take_if(",") {
                self.expect(end)?;
                break;
            }
        }
        Ok(items)
    }

    fn map(&mut self) -> Result<Expr, Mistake> {
        let mut entries = Vec::new();
        while !self.take_if("}") {
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
            if !self.take_if(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(Expr::Map(entries))
    }

    fn function(&mut self, at: usize, name: &str) -> Parsed {
        let function = match name {
            "has" => None,
            "size" => Some(Function::Size),
            "int" => Some(Function::Int),
            "string" => Some(Function::String),
            _ => match self.signature(name, false) {
                Some(signature) => return self.library_call(at, *signature, Vec::new()),
                None => {
                    let message = format!("unknown function `{name}`; expected size, int, string or has");
                    return Err(Mistake { at, message, fault: Fault::Undeclared(name.to_owned()) });
                }
            },
        };
        let mut arguments = self.list(")")?;
        match (function, arguments.len()) {
            (Some(function), 1) => Ok(Node { at, expr: Expr::Call(function, arguments) }),
            (Some(_), _) => Err(syntax(at, format!("{name}() takes one argument"))),
            (None, _) => match (arguments.pop(), arguments.is_empty()) {
                (Some(Node { expr: Expr::Select(of, field), .. }), true) => Ok(Node { at, expr: Expr::Has(of, field) }),
                _ => Err(syntax(at, "has() takes a field: has(a.b)")),
            },
        }
    }

    fn signature(&self, name: &str, is_method: bool) -> Option<&Signature> {
        self.language.functions.iter().find(|known| known.name == name && known.is_method == is_method)
    }

    /// A function of a named space: `sets.contains`.
    fn spaced(&self, space: &str) -> Option<Signature> {
        let name = |ahead: usize| match self.tokens.get(self.next + ahead) {
            Some((_, Token::Name(name))) => Some(&name[..]),
            _ => None,
        };
        let is_mark = |ahead: usize, mark: &str| matches!(self.tokens.get(self.next + ahead), Some((_, Token::Mark(found))) if *found == mark);
        let whole = format!("{space}.{}", name(1).filter(|_| is_mark(0, ".") && is_mark(2, "("))?);
        self.signature(&whole, false).copied()
    }

    fn spaced_call(&mut self, at: usize, space: &str) -> Parsed {
        let signature = self.spaced(space);
        (0..3).for_each(|_| drop(self.take()));
        match signature {
            Some(signature) => self.library_call(at, signature, Vec::new()),
            None => Err(self.mistake("expected a function".to_owned())),
        }
    }

    fn library_call(&mut self, at: usize, signature: Signature, receiver: Vec<Node>) -> Parsed {
        let mut arguments = receiver;
        let own = arguments.len();
        arguments.append(&mut self.list(")")?);
        let (fewest, most) = signature.arguments;
        if !(fewest..=most).contains(&(arguments.len() - own)) {
            let message = format!("{}() takes {fewest} to {most} arguments", signature.name);
            return Err(Mistake { at, message, fault: Fault::Overload });
        }
        Ok(Node { at, expr: Expr::Call(Function::Other(signature.name), arguments) })
    }

    fn method(&mut self, at: usize, receiver: Node, name: &str) -> Parsed {
        let kind = match name {
            "all" => Macro::All,
            "exists" => Macro::Exists,
            "exists_one" => Macro::ExistsOne,
            "map" => Macro::Map,
            "filter" => Macro::Filter,
            "existsOne" if self.language.is_full => Macro::ExistsOne,
            "transformList" if self.language.is_full => Macro::Map,
            _ => return self.plain_method(at, receiver, name),
        };
        let name_at = self.at();
        let bound = match self.take() {
            Token::Name(bound) if !is_reserved(&bound) => bound,
            token => {
                let message = format!("unexpected {}; expected a name for each item: {name}(x, …)", shown(&token));
                return Err(syntax(name_at, message));
            }
        };
        self.expect(",")?;
        let second = self.second_name(name);
        let known = self.locals.len();
        self.locals.extend([bound.clone()].into_iter().chain(second.clone()));
        let mut bodies = self.list(")")?;
        self.locals.truncate(known);
        let body = bodies.pop();
        let condition = if kind == Macro::Map { bodies.pop() } else { None };
        let lacks_name = name == "transformList" && second.is_none();
        match body {
            Some(body) if bodies.is_empty() && !lacks_name => {
                let (range, body, condition) = (Box::new(receiver), Box::new(body), condition.map(Box::new));
                Ok(Node { at, expr: Expr::Each { kind, range, name: bound, second, condition, body } })
            }
            _ => Err(syntax(at, format!("{name}() takes a name and an expression: {name}(x, …)"))),
        }
    }

    /// The second name of a macro that has two: another argument follows it. `map` and `filter` never have.
    fn second_name(&mut self, macro_name: &str) -> Option<String> {
        let follows = matches!(self.tokens.get(self.next + 1), Some((_, Token::Mark(","))));
        if !self.language.is_full || matches!(macro_name, "map" | "filter") || !follows {
            return None;
        }
        let Token::Name(name) = self.peek().clone() else { return None };
        if is_reserved(&name) {
            return None;
        }
        self.take();
        self.take();
        Some(name)
    }

    fn plain_method(&mut self, at: usize, receiver: Node, name: &str) -> Parsed {
        let (function, takes) = match name {
            "size" => (Function::Size, 0),
            "contains" => (Function::Contains, 1),
            "startsWith" => (Function::StartsWith, 1),
            "endsWith" => (Function::EndsWith, 1),
            _ => match self.signature(name, true) {
                Some(signature) => return self.library_call(at, *signature, vec![receiver]),
                None => {
                    let expected = "all, exists, exists_one, map, filter, size, contains, startsWith or endsWith";
                    let message = format!("unknown function `{name}`; expected {expected}");
                    return Err(Mistake { at, message, fault: Fault::Undeclared(name.to_owned()) });
                }
            },
        };
        let mut arguments = vec![receiver];
        arguments.append(&mut self.list(")")?);
        if arguments.len() - 1 != takes {
            let takes = if takes == 0 { "no argument here" } else { "one argument" };
            return Err(syntax(at, format!("{name}() takes {takes}")));
        }
        Ok(Node { at, expr: Expr::Call(function, arguments) })
    }
}
