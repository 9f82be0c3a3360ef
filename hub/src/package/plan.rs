//! The plan: what to send to FlyteAdmin, and in which order.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    fmt, mem,
};

use bytes::Bytes;
use flyte_registration_crd::EntityType;

use super::{
    Archive, Code, ExternalReference, Id, PackageError, Problem, What, archive,
    entity::{self, Entity},
    error::Kind,
    graph, select,
};

/// Where a package is to be registered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The Flyte project.
    pub project: String,
    /// The Flyte domain.
    pub domain: String,
    /// The version that all entities of the package get.
    pub version: String,
}

/// Which part of a package is to be registered.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selection {
    /// Only this workflow, with what it depends on and its launch plans: the full name, or
    /// the last dotted part of it with `-` and `_` alike. `None`: everything.
    pub workflow_name: Option<String>,
}

/// What to register, in an order in which everything comes after what it needs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where it is registered.
    pub target: Target,
    /// The entities.
    pub entities: Vec<Planned>,
    /// What must be there already, sorted.
    pub external: Vec<ExternalReference>,
    /// The code that must be uploaded, if an entity of the plan refers to it.
    pub code: Option<Code>,
    /// Whether the project is created if it is missing. [`plan`] leaves this to who asks for it.
    pub create_project: bool,
}

/// An entity to register.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What it is.
    pub kind: EntityType,
    /// Who it is.
    pub id: Id,
    /// The encoded `flyteidl.admin.TaskCreateRequest`, `WorkflowCreateRequest` or
    /// `LaunchPlanCreateRequest`, with all that the file held, known to us or not.
    pub request: Bytes,
    /// The positions in [`Plan::entities`] of what must be registered before; all lower
    /// than its own.
    pub needs: Vec<usize>,
    /// Whether it refers to [`Plan::code`]. The request is complete only in a plan that is
    /// [located](Plan::located).
    pub uses_code: bool,
}

impl Plan {
    /// The plan with `url` filled in wherever an entity asks for where the code lies.
    #[must_use]
    pub fn located(&self, url: &str) -> Self {
        let mut plan = self.clone();
        for entity in plan.entities.iter_mut().filter(|entity| entity.uses_code) {
            let request =
                entity::located(entity.kind, &entity.id, &entity.request, &plan.target, url);
            if let Some(request) = request {
                entity.request = request;
            }
        }
        plan
    }
}

/// Plans the registration of a package, or tells all that is wrong with it. Takes the archive, so that each
/// file is given up once its request is made.
pub fn plan(
    archive: Archive,
    target: &Target,
    selection: &Selection,
) -> Result<Plan, PackageError> {
    usable(target)?;
    let code = archive.code.clone();
    let (files, entities) = entities(archive, target)?;
    let chosen = select::select(&entities, selection)?;
    let graph = graph(&files, &entities, &chosen)?;
    drop(files);
    let mut plan = arrange(entities, &chosen, graph, target);
    if plan.entities.iter().any(|entity| entity.uses_code) {
        plan.code = code;
    }
    Ok(plan)
}

/// Empty fields match anything in FlyteAdmin, and odd versions mix up stored closures. The
/// rules of the spec see to that; this makes sure of it.
fn usable(target: &Target) -> Result<(), PackageError> {
    for (field, value) in [
        ("project", &target.project),
        ("domain", &target.domain),
        ("version", &target.version),
    ] {
        let safe = |c: char| c.is_ascii_alphanumeric() || "._~+-".contains(c);
        if value.is_empty() || !value.chars().all(safe) || value.starts_with('.') {
            let value = value.clone();
            return Err(PackageError::Target { field, value });
        }
    }
    Ok(())
}

fn entities(archive: Archive, target: &Target) -> Result<(Vec<String>, Vec<Entity>), PackageError> {
    let count = archive.entities.len();
    let mut problems = Vec::new();
    let mut files = Vec::with_capacity(count);
    let mut entities: Vec<Entity> = Vec::with_capacity(count);
    let mut seen = HashMap::with_capacity(count);
    for (file, content) in archive.entities {
        // The reader lets no other names pass.
        let Some(kind) = archive::kind_of(&file) else {
            continue;
        };
        let mut problem = |what| {
            let file = file.clone();
            problems.push(Problem { file, what });
        };
        match entity::read(kind, &content, target, &archive.limits) {
            Ok(entity) if entity.uses_code && archive.code.is_none() => problem(What::NoCode),
            Ok(entity) => match seen.entry((kind, entity.id.name.clone())) {
                Entry::Vacant(slot) => {
                    slot.insert(files.len());
                    files.push(file);
                    entities.push(entity);
                }
                Entry::Occupied(slot) => problem(What::SameEntity {
                    kind,
                    other: files[*slot.get()].clone(),
                }),
            },
            Err(found) => found.into_iter().for_each(&mut problem),
        }
    }
    if problems.is_empty() {
        Ok((files, entities))
    } else {
        Err(PackageError::Problems(one_of_each_first(problems)))
    }
}

/// Messages show but the first few: those should not be all of one file.
fn one_of_each_first(problems: Vec<Problem>) -> Vec<Problem> {
    let mut of_file: HashMap<String, usize> = HashMap::new();
    let mut numbered: Vec<_> = problems
        .into_iter()
        .map(|problem| {
            let number = of_file.entry(problem.file.clone()).or_default();
            *number += 1;
            (*number, problem)
        })
        .collect();
    numbered.sort_by_key(|(number, _)| *number);
    numbered.into_iter().map(|(_, problem)| problem).collect()
}

/// What each of the chosen needs of the others, an order in which that comes before, and what is not among them.
struct Graph {
    needs: Vec<Vec<usize>>,
    order: Vec<usize>,
    external: BTreeSet<ExternalReference>,
}

fn graph(files: &[String], entities: &[Entity], chosen: &[usize]) -> Result<Graph, PackageError> {
    let positions: HashMap<(EntityType, &Id), usize> = chosen
        .iter()
        .enumerate()
        .map(|(position, index)| {
            let entity = &entities[*index];
            ((entity.kind, &entity.id), position)
        })
        .collect();
    let mut external = BTreeSet::new();
    let mut needs = Vec::with_capacity(chosen.len());
    for index in chosen {
        let mut inside = Vec::new();
        for (kind, id) in &entities[*index].needs {
            if let Some(position) = positions.get(&(*kind, id)) {
                inside.push(*position);
            } else {
                let (kind, id) = (*kind, id.clone());
                external.insert(ExternalReference { kind, id });
            }
        }
        needs.push(inside);
    }
    let order = graph::order(&needs).map_err(|position| {
        PackageError::Problems(vec![Problem {
            file: files[chosen[position]].clone(),
            what: What::Cycle,
        }])
    })?;
    Ok(Graph {
        needs,
        order,
        external,
    })
}

fn arrange(entities: Vec<Entity>, chosen: &[usize], graph: Graph, target: &Target) -> Plan {
    let Graph {
        mut needs,
        order,
        external,
    } = graph;
    let mut places = vec![0; order.len()];
    for (place, position) in order.iter().enumerate() {
        places[*position] = place;
    }
    // Sorted where they are: there may be thousands, and room for them once more is not needed.
    let entities = entities.into_iter().enumerate();
    let entities = entities.filter_map(|(index, entity)| {
        let position = chosen.binary_search(&index).ok()?;
        let mut needs = mem::take(&mut needs[position]);
        for need in &mut needs {
            *need = places[*need];
        }
        needs.sort_unstable();
        let planned = Planned {
            kind: entity.kind,
            id: entity.id,
            request: entity.request,
            needs,
            uses_code: entity.uses_code,
        };
        Some((places[position], planned))
    });
    let mut entities: Vec<_> = entities.collect();
    entities.sort_unstable_by_key(|(place, _)| *place);
    Plan {
        target: target.clone(),
        entities: entities.into_iter().map(|(_, planned)| planned).collect(),
        external: external.into_iter().collect(),
        code: None,
        create_project: false,
    }
}

impl fmt::Display for Plan {
    /// One line for each entity, then one for each external reference.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entity) in self.entities.iter().enumerate() {
            write!(f, "{index} {} {}", Kind(entity.kind), entity.id.name)?;
            if !entity.needs.is_empty() {
                write!(f, " needs {:?}", entity.needs)?;
            }
            writeln!(f)?;
        }
        for reference in &self.external {
            writeln!(f, "external {} {}", Kind(reference.kind), reference.id)?;
        }
        Ok(())
    }
}
