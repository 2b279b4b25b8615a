//! Which characters a place in a pattern takes.

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Set {
    pub negated: bool,
    pub items: Vec<Item>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    Range(char, char),
    Class(Class),
}

/// Classes of characters by their POSIX names, and what words are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    Alnum,
    Alpha,
    Blank,
    Cntrl,
    Digit,
    Graph,
    Lower,
    Print,
    Punct,
    Space,
    Upper,
    Xdigit,
    Word,
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl Set {
    /// One character.
    pub fn just(c: char) -> Set {
        Set { negated: false, items: vec![Item::Range(c, c)] }
    }

    pub fn contains(&self, c: char, ignore_case: bool) -> bool {
        let has = |c: char| self.items.iter().any(|item| item.contains(c));
        let has = has(c) || (ignore_case && (has(single(c, c.to_lowercase())) || has(single(c, c.to_uppercase()))));
        has != self.negated
    }
}

/// The other case of a character, if that is one character too.
fn single(c: char, mut other: impl Iterator<Item = char>) -> char {
    match (other.next(), other.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

impl Item {
    fn contains(self, c: char) -> bool {
        match self {
            Item::Range(from, to) => (from..=to).contains(&c),
            Item::Class(class) => class.contains(c),
        }
    }
}

impl Class {
    pub fn named(name: &str) -> Option<Class> {
        Some(match name {
            "alnum" => Class::Alnum,
            "alpha" => Class::Alpha,
            "blank" => Class::Blank,
            "cntrl" => Class::Cntrl,
            "digit" => Class::Digit,
            "graph" => Class::Graph,
            "lower" => Class::Lower,
            "print" => Class::Print,
            "punct" => Class::Punct,
            "space" => Class::Space,
            "upper" => Class::Upper,
            "xdigit" => Class::Xdigit,
            _ => return None,
        })
    }

    fn contains(self, c: char) -> bool {
        match self {
            Class::Alnum => c.is_alphanumeric(),
            Class::Alpha => c.is_alphabetic(),
            Class::Blank => c == ' ' || c == '\t',
            Class::Cntrl => c.is_control(),
            Class::Digit => c.is_ascii_digit(),
            Class::Graph => !c.is_control() && !c.is_whitespace(),
            Class::Lower => c.is_lowercase(),
            Class::Print => !c.is_control(),
            Class::Punct => !c.is_control() && !c.is_whitespace() && !c.is_alphanumeric(),
            Class::Space => c.is_whitespace(),
            Class::Upper => c.is_uppercase(),
            Class::Xdigit => c.is_ascii_hexdigit(),
            Class::Word => is_word(c),
        }
    }
}
