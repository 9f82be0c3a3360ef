//! Which entities of a package are asked for.

use std::collections::HashMap;

use flyte_registration_crd::EntityType;

use super::{Id, PackageError, Selection, entity::Entity};

/// The positions of the selected entities, in ascending order.
pub(super) fn select(
    entities: &[Entity],
    selection: &Selection,
) -> Result<Vec<usize>, PackageError> {
    let Some(wanted) = &selection.workflow_name else {
        return Ok((0..entities.len()).collect());
    };
    let workflow = find(entities, wanted)?;
    let by_id: HashMap<(EntityType, &Id), usize> = entities
        .iter()
        .enumerate()
        .map(|(index, entity)| ((entity.kind, &entity.id), index))
        .collect();

    let id = (EntityType::Workflow, entities[workflow].id.clone());
    let mut open = vec![workflow];
    open.extend((0..entities.len()).filter(|index| {
        let entity = &entities[*index];
        entity.kind == EntityType::LaunchPlan && entity.needs.contains(&id)
    }));
    let mut chosen = vec![false; entities.len()];
    while let Some(index) = open.pop() {
        if chosen[index] {
            continue;
        }
        chosen[index] = true;
        let entity = &entities[index];
        let needs = entity.needs.iter().map(|(kind, id)| (*kind, id));
        // Not needed by FlyteAdmin, but a person who looks there for a part of the workflow finds it.
        let embeds = entity.embeds.iter().map(|id| (EntityType::Workflow, id));
        open.extend(needs.chain(embeds).filter_map(|key| by_id.get(&key)));
    }
    Ok((0..entities.len()).filter(|index| chosen[*index]).collect())
}

/// The workflow of that name: the full name, or else the last dotted part of it, with `-`
/// and `_` alike.
fn find(entities: &[Entity], wanted: &str) -> Result<usize, PackageError> {
    let workflows = || {
        let all = entities.iter().enumerate();
        all.filter(|(_, entity)| entity.kind == EntityType::Workflow)
    };
    if let Some((index, _)) = workflows().find(|(_, entity)| entity.id.name == wanted) {
        return Ok(index);
    }
    let short = |name: &str| name.replace('-', "_");
    let fits: Vec<_> = workflows()
        .filter(|(_, entity)| {
            let last = entity.id.name.rsplit('.').next();
            last.is_some_and(|last| short(last) == short(wanted))
        })
        .collect();
    let names = |of: &mut dyn Iterator<Item = (usize, &Entity)>| {
        of.map(|(_, entity)| entity.id.name.clone()).collect()
    };
    match fits.as_slice() {
        [(index, _)] => Ok(*index),
        [] => Err(PackageError::WorkflowNotFound {
            wanted: wanted.to_owned(),
            held: names(&mut workflows()),
        }),
        _ => Err(PackageError::WorkflowAmbiguous {
            wanted: wanted.to_owned(),
            candidates: names(&mut fits.into_iter()),
        }),
    }
}
