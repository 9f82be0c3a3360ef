//! Filters, order and pages, as the real server passes them to its database.

use flyte_registration_proto::flyteidl::admin;

use crate::error::{AdminError, Answer};

mod filter;
mod table;

pub use filter::{Filter, filters};
pub use table::{Cell, Entity, LAUNCH_PLAN, NAMED_ENTITY, PROJECT, TASK, WORKFLOW};

/// The column to order by, and whether ascending.
pub fn order(sort: Option<&admin::Sort>, entity: Entity) -> Answer<Option<(String, bool)>> {
    let Some(sort) = sort else { return Ok(None) };
    if !entity.has(&sort.key) {
        return Err(AdminError::invalid(format!(
            "invalid sort key '{}'",
            sort.key
        )));
    }
    Ok(Some((
        sort.key.clone(),
        sort.direction() == admin::sort::Direction::Ascending,
    )))
}

/// The offset that a token names; `list` is the call's name in the error.
pub fn offset(token: &str, list: &str) -> Answer<usize> {
    if token.is_empty() {
        return Ok(0);
    }
    token
        .parse()
        .map_err(|_| AdminError::invalid(format!("invalid pagination token {token}{list}")))
}

/// What is left of the rows after filters, order and paging, and the next token: one
/// comes with every full page, also when nothing follows it.
pub fn page<R>(
    rows: impl Iterator<Item = R>,
    filters: &[Filter],
    order: Option<&(String, bool)>,
    (offset, limit): (usize, usize),
    cell: impl Fn(&R, &str, &str) -> Cell,
    primary: Entity,
) -> Answer<(Vec<R>, String)> {
    let mut kept = Vec::new();
    'rows: for row in rows {
        for filter in filters {
            if !filter.accepts(&cell(&row, filter.entity, &filter.column))? {
                continue 'rows;
            }
        }
        kept.push(row);
    }
    if let Some((column, ascending)) = order {
        kept.sort_by(|a, b| {
            let order = cell(a, primary.letter, column).cmp(&cell(b, primary.letter, column));
            if *ascending { order } else { order.reverse() }
        });
    }
    let page: Vec<_> = kept.into_iter().skip(offset).take(limit).collect();
    let full = page.len() == limit && limit > 0;
    let token = if full {
        (offset + page.len()).to_string()
    } else {
        String::new()
    };
    Ok((page, token))
}
