//! The columns of every kind, read from the text file beside this one.
//!
//! A block names its kinds, then a column a line: `wide` for those of `-o wide`, type and perhaps format, name, and after a
//! colon its description. `name` and `age` stand for the columns that most kinds have.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Value, json};

/// Upstream: `metav1.TableColumnDefinition`. Descriptions that upstream takes from its documentation are our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: Cow<'static, str>,
    /// `string`, `integer`, `number`, `boolean`, `date`.
    pub ty: Cow<'static, str>,
    /// `name` for the column that names the object.
    pub format: Cow<'static, str>,
    pub description: Cow<'static, str>,
    /// 0 is always shown, 1 in wide tables.
    pub priority: i32,
}

pub(super) const NAME: &str = "Name of the object, unique within its namespace.";
pub(super) const AGE: &str = "When the object was created.";

impl Column {
    pub(super) fn new(name: &'static str, ty: &'static str, format: &'static str) -> Column {
        Column {
            name: Cow::Borrowed(name),
            ty: Cow::Borrowed(ty),
            format: Cow::Borrowed(format),
            description: Cow::Borrowed(""),
            priority: 0,
        }
    }

    pub(super) fn described(mut self, description: &'static str) -> Column {
        self.description = Cow::Borrowed(description);
        self
    }

    /// The column that nearly every table begins with.
    pub(super) fn of_names() -> Column {
        Column::new("Name", "string", "name").described(NAME)
    }

    pub(super) fn to_object(&self) -> Value {
        json!({
            "name": self.name, "type": self.ty, "format": self.format, "description": self.description,
            "priority": self.priority,
        })
    }
}

/// The columns of a kind; nothing if it is shown by name and time of creation.
pub(super) fn of_kind(kind: &str) -> Option<&'static [Column]> {
    static COLUMNS: OnceLock<BTreeMap<&'static str, Vec<Column>>> = OnceLock::new();
    COLUMNS.get_or_init(|| parse(include_str!("columns.txt"))).get(kind).map(Vec::as_slice)
}

fn parse(text: &'static str) -> BTreeMap<&'static str, Vec<Column>> {
    let mut kinds = BTreeMap::new();
    for block in text.split("\n\n") {
        let mut lines = block.lines();
        let head = lines.next().expect("a block names its kinds");
        let columns: Vec<Column> = lines.map(column).collect();
        kinds.extend(head.split(' ').map(|kind| (kind, columns.clone())));
    }
    kinds
}

fn column(line: &'static str) -> Column {
    match line {
        "name" => return Column::of_names(),
        "age" => return Column::new("Age", "string", "").described(AGE),
        _ => {}
    }
    let (is_wide, line) = line.strip_prefix("wide ").map_or((false, line), |line| (true, line));
    let (ty, rest) = line.split_once(' ').expect("a column has a type");
    let (name, description) = rest.split_once(": ").expect("a column has a name and a description");
    let (ty, format) = ty.split_once('/').unwrap_or((ty, ""));
    Column { priority: i32::from(is_wide), ..Column::new(name, ty, format).described(description) }
}
