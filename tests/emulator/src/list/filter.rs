//! Conditions on rows.

use std::{cmp::Ordering, sync::LazyLock};

use regex::Regex;
use tonic::Code;

use super::table::{Cell, Entity, LAUNCH_PLAN, NAMED_ENTITY, OTHERS, PROJECT, TASK, WORKFLOW};
use crate::{
    error::{AdminError, Answer},
    store,
};

/// One condition on a row.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The table whose column it is.
    pub entity: &'static str,
    function: String,
    /// The column.
    pub column: String,
    values: Vec<String>,
}

static FORM: LazyLock<Regex> = LazyLock::new(|| {
    #[allow(clippy::expect_used)] // a literal
    Regex::new(r"(.+)\((.+),\s?(.+)\)").expect("a regular expression")
});
const FUNCTIONS: [&str; 10] = [
    "contains",
    "not_like",
    "gt",
    "gte",
    "lt",
    "lte",
    "eq",
    "ne",
    "value_in",
    "value_not_in",
];

/// Reads `func(field,value)+…`; fields of `joined` tables need their prefix.
pub fn filters(text: &str, primary: Entity, joined: &[Entity]) -> Answer<Vec<Filter>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split('+')
        .map(|filter| parse(filter, primary, joined))
        .collect()
}

fn parse(text: &str, primary: Entity, joined: &[Entity]) -> Answer<Filter> {
    let found = FORM
        .captures(text)
        .ok_or_else(|| AdminError::bad_value("filters"))?;
    let (function, field, values) = (&found[1], &found[2], &found[3]);
    let known = [TASK, WORKFLOW, LAUNCH_PLAN, PROJECT, NAMED_ENTITY];
    let (prefix, column) = field.split_once('.').unwrap_or(("", field));
    let other = OTHERS
        .iter()
        .find(|(name, _)| *name == prefix)
        .map(|(_, letter)| *letter);
    let named = known
        .iter()
        .find(|entity| entity.prefix == prefix && !prefix.is_empty());
    let (letter, column) = match (named, other) {
        (Some(entity), _) => (entity.letter, column),
        (None, Some(letter)) => (letter, column),
        (None, None) => (primary.letter, field),
    };
    let allowed = [primary].into_iter().chain(joined.iter().copied());
    let Some(entity) = allowed.into_iter().find(|entity| entity.letter == letter) else {
        let text = format!("'{letter}' entity is not allowed in filters");
        return Err(AdminError::invalid(text));
    };
    if !entity.has(column) {
        return Err(AdminError::invalid(format!(
            "'{letter}.{column}' is invalid filter"
        )));
    }
    if !FUNCTIONS.contains(&function) {
        return Err(AdminError::invalid(format!(
            "unrecognized filter function: {function}"
        )));
    }
    Ok(Filter {
        entity: entity.letter,
        function: function.to_owned(),
        column: column.to_owned(),
        values: values.split(';').map(str::to_owned).collect(),
    })
}

impl Filter {
    /// Whether a value passes; an error where the database could not compare.
    pub fn accepts(&self, cell: &Cell) -> Answer<bool> {
        let text = match cell {
            Cell::Text(text) => text.clone(),
            Cell::Int(number) => number.to_string(),
            Cell::Time(_) | Cell::Null => String::new(),
        };
        let first = self.values.first().map_or("", String::as_str);
        let compared = |order: fn(Ordering) -> bool| -> Answer<bool> {
            Ok(*cell != Cell::Null && order(cell.cmp(&convert(first, cell)?)))
        };
        match self.function.as_str() {
            "contains" => Ok(like(&text, &format!("%{first}%"))),
            "not_like" => Ok(!like(&text, first)),
            "gt" => compared(Ordering::is_gt),
            "gte" => compared(Ordering::is_ge),
            "lt" => compared(Ordering::is_lt),
            "lte" => compared(Ordering::is_le),
            "ne" => compared(Ordering::is_ne),
            "value_in" => Ok(self.values.contains(&text)),
            "value_not_in" => Ok(!self.values.contains(&text)),
            _ => compared(Ordering::is_eq),
        }
    }
}

/// The filter's text as the column's type.
fn convert(text: &str, like: &Cell) -> Answer<Cell> {
    let fail = |kind: &str| {
        let text = format!("invalid input syntax for type {kind}: \"{text}\"");
        AdminError::new(
            Code::Unknown,
            format!("failed database operation with {text}"),
        )
    };
    Ok(match like {
        Cell::Time(_) => {
            if let Some(micros) = relative(text) {
                return Ok(Cell::Time(micros));
            }
            let time: prost_types::Timestamp =
                text.parse().map_err(|_| fail("timestamp with time zone"))?;
            let micros = time.seconds * 1_000_000 + i64::from(time.nanos / 1000);
            Cell::Time(u64::try_from(micros).unwrap_or(0))
        }
        Cell::Int(_) => Cell::Int(text.parse().map_err(|_| fail("integer"))?),
        Cell::Text(_) | Cell::Null => Cell::Text(text.to_owned()),
    })
}

/// The words that the database takes for a time.
fn relative(text: &str) -> Option<u64> {
    const DAY: u64 = 86_400_000_000;
    let now = store::now();
    let today = now - now % DAY;
    Some(match text {
        "epoch" => 0,
        "now" => now,
        "today" => today,
        "yesterday" => today.saturating_sub(DAY),
        "tomorrow" => today + DAY,
        _ => return None,
    })
}

/// SQL's LIKE.
fn like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('%');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut open = false;
    let mut last = first;
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        (rest, open, last) = (&rest[at + part.len()..], true, part);
    }
    rest.is_empty() || open && (last.is_empty() || text.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_sql() {
        for (text, pattern, expected) in [
            ("abc", "%b%", true),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "b", false),
            ("abcb", "%b", true),
            (".flytegen.x", ".flytegen%", true),
        ] {
            assert_eq!(like(text, pattern), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn filters_compare_by_the_type_of_the_column() {
        let accepts = |text: &str, cell: Cell| filters(text, TASK, &[]).unwrap()[0].accepts(&cell);
        assert_eq!(accepts("gt(id,9)", Cell::Int(10)), Ok(true));
        assert_eq!(
            accepts("gt(version,9)", Cell::Text("10".to_owned())),
            Ok(false)
        );
        assert!(accepts("gt(created_at,never)", Cell::Time(1)).is_err());
        assert_eq!(
            accepts("value_in(name,a;b)", Cell::Text("b".to_owned())),
            Ok(true)
        );
    }

    #[test]
    fn only_joined_tables_may_be_filtered_by() {
        let text = |joined: &[_]| filters("eq(workflow.name,x)", TASK, joined).map(|_| ());
        assert!(text(&[WORKFLOW]).is_ok());
        assert_eq!(
            text(&[]).unwrap_err().message,
            "'w' entity is not allowed in filters"
        );
    }
}
