//! One file of a package: decoded, filled in, checked, and made a request.

use std::fmt;

use bytes::Bytes;
use flyte_registration_crd::EntityType;
use flyte_registration_proto::flyteidl::core::{Identifier, ResourceType};
use prost::{Message, encoding};
use prost_reflect::DynamicMessage;

use super::{
    Limits, Target, What, check,
    code::Places,
    hydrate,
    message::{decode, field_mut, resource_type, text},
};

/// Who an entity is, beside its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// The Flyte project.
    pub project: String,
    /// The Flyte domain.
    pub domain: String,
    /// The entity's name.
    pub name: String,
    /// The entity's version.
    pub version: String,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            project,
            domain,
            name,
            version,
        } = self;
        write!(f, "{project}:{domain}:{name}:{version}")
    }
}

impl Id {
    /// The id as `FlyteAdmin` takes it.
    pub fn to_proto(&self, kind: EntityType) -> Identifier {
        Identifier {
            resource_type: resource_type_of(kind).into(),
            project: self.project.clone(),
            domain: self.domain.clone(),
            name: self.name.clone(),
            version: self.version.clone(),
            ..Identifier::default()
        }
    }
}

/// An entity that must be in `FlyteAdmin` already, as the package does not hold it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalReference {
    /// What it is.
    pub kind: EntityType,
    /// Who it is.
    pub id: Id,
}

/// An entity of the package, ready to be registered.
#[derive(Debug)]
pub(super) struct Entity {
    pub(super) kind: EntityType,
    pub(super) id: Id,
    pub(super) request: Bytes,
    /// What FlyteAdmin must hold before it takes this entity.
    pub(super) needs: Vec<(EntityType, Id)>,
    /// Workflows that are embedded in this one.
    pub(super) embeds: Vec<Id>,
    /// Whether it says where the package's code is to be put or found.
    pub(super) uses_code: bool,
}

/// The type that ids of this kind carry.
pub(super) fn resource_type_of(kind: EntityType) -> ResourceType {
    match kind {
        EntityType::Task => ResourceType::Task,
        EntityType::Workflow => ResourceType::Workflow,
        EntityType::LaunchPlan => ResourceType::LaunchPlan,
    }
}

/// Reads the content of a file as the kind of entity that its name says it is.
pub(super) fn read(
    kind: EntityType,
    content: &[u8],
    target: &Target,
    limits: &Limits,
) -> Result<Entity, Vec<What>> {
    let name = match kind {
        EntityType::Task => "flyteidl.admin.TaskSpec",
        EntityType::Workflow => "flyteidl.admin.WorkflowSpec",
        EntityType::LaunchPlan => "flyteidl.admin.LaunchPlan",
    };
    let mut message =
        decode(name, content).map_err(|error| vec![What::Undecodable { kind, error }])?;
    let mut entity = match kind {
        EntityType::Task => task(&mut message, target, limits),
        EntityType::Workflow => workflow(&mut message, target, limits),
        EntityType::LaunchPlan => launch_plan(&mut message, target, limits),
    }?;
    entity.needs.sort();
    entity.needs.dedup();
    // Kept until all are ordered.
    entity.needs.shrink_to_fit();
    let (size, max) = (entity.request.len() as u64, limits.entity_bytes);
    if size > max {
        return Err(vec![What::Large { size, max }]);
    }
    Ok(entity)
}

fn task(spec: &mut DynamicMessage, target: &Target, limits: &Limits) -> Result<Entity, Vec<What>> {
    let kind = EntityType::Task;
    let template = field_mut(spec, "template");
    let template = template.ok_or_else(|| vec![What::Missing("the template")])?;
    let id = owned(kind, template, target, limits).map_err(|what| vec![what])?;
    let mut places = Places::open();
    places.task(template);
    Ok(Entity {
        kind,
        request: request(kind, &id, spec),
        id,
        needs: Vec::new(),
        embeds: Vec::new(),
        uses_code: places.seen,
    })
}

fn workflow(
    spec: &mut DynamicMessage,
    target: &Target,
    limits: &Limits,
) -> Result<Entity, Vec<What>> {
    let kind = EntityType::Workflow;
    let template = field_mut(spec, "template");
    let template = template.ok_or_else(|| vec![What::Missing("the template")])?;
    let id = owned(kind, template, target, limits).map_err(|what| vec![what])?;
    let mut places = Places::open();
    let (templates, mut problems) = hydrate::workflow(spec, target, &mut places);
    problems.extend(check::workflow(&templates, limits));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut needs = Vec::new();
    let mut embeds = Vec::new();
    for template in &templates {
        for reference in &template.references {
            match reference.kind {
                // FlyteAdmin wants those embedded, not registered.
                EntityType::Workflow => embeds.push(reference.id.clone()),
                kind => needs.push((kind, reference.id.clone())),
            }
        }
    }
    Ok(Entity {
        kind,
        request: request(kind, &id, spec),
        id,
        needs,
        embeds,
        uses_code: places.seen,
    })
}

fn launch_plan(
    plan: &mut DynamicMessage,
    target: &Target,
    limits: &Limits,
) -> Result<Entity, Vec<What>> {
    let kind = EntityType::LaunchPlan;
    let id = owned(kind, plan, target, limits).map_err(|what| vec![what])?;
    let spec = field_mut(plan, "spec").ok_or_else(|| vec![What::Missing("the spec")])?;
    let workflow = field_mut(spec, "workflow_id");
    let workflow = workflow.ok_or_else(|| vec![What::Missing("the id of its workflow")])?;
    let needed = hydrate::id(workflow, target);
    if needed.name.is_empty() || resource_type(workflow) != ResourceType::Workflow {
        return Err(vec![What::Missing("the name or type of its workflow")]);
    }
    Ok(Entity {
        kind,
        request: request(kind, &id, spec),
        id,
        needs: vec![(EntityType::Workflow, needed)],
        embeds: Vec::new(),
        uses_code: false,
    })
}

/// The same request with the code's place filled in. `None`: it is not what [`read`] made.
pub(super) fn located(
    kind: EntityType,
    id: &Id,
    request: &Bytes,
    target: &Target,
    url: &str,
) -> Option<Bytes> {
    let name = match kind {
        EntityType::Task => "flyteidl.admin.TaskCreateRequest",
        EntityType::Workflow => "flyteidl.admin.WorkflowCreateRequest",
        EntityType::LaunchPlan => return Some(request.clone()),
    };
    let mut message = decode(name, request).ok()?;
    let spec = field_mut(&mut message, "spec")?;
    let mut places = Places::at(url);
    if kind == EntityType::Task {
        places.task(field_mut(spec, "template")?);
    } else {
        // Filling in ids once more changes nothing.
        hydrate::workflow(spec, target, &mut places);
    }
    Some(self::request(kind, id, spec))
}

/// The id under which an entity is registered. It is the package's own, so that it may
/// not point anywhere but at the target: a tenant could reach another's project with it.
fn owned(
    kind: EntityType,
    holder: &mut DynamicMessage,
    target: &Target,
    limits: &Limits,
) -> Result<Id, What> {
    let message = field_mut(holder, "id").ok_or(What::Missing("the id"))?;
    if resource_type(message) != resource_type_of(kind) {
        return Err(What::WrongType { kind });
    }
    if !check::name(kind, text(message, "name"), limits) {
        return Err(What::EntityName(text(message, "name").to_owned()));
    }
    let id = hydrate::id(message, target);
    if (&id.project, &id.domain, &id.version) != (&target.project, &target.domain, &target.version)
    {
        return Err(What::ForeignId(id));
    }
    Ok(id)
}

/// `TaskCreateRequest`, `WorkflowCreateRequest` and `LaunchPlanCreateRequest` are alike:
/// the id is field 1, the spec field 2. Written here, as prost would drop unknown fields.
fn request(kind: EntityType, id: &Id, spec: &DynamicMessage) -> Bytes {
    let id = id.to_proto(kind);
    let (id_size, spec_size) = (id.encoded_len(), spec.encoded_len());
    let framed = |size| 1 + encoding::encoded_len_varint(size as u64) + size;
    // Of the very size, as there may be thousands of them.
    let mut request = Vec::with_capacity(framed(id_size) + framed(spec_size));
    encoding::encode_key(1, encoding::WireType::LengthDelimited, &mut request);
    encoding::encode_varint(id_size as u64, &mut request);
    id.encode_raw(&mut request);
    encoding::encode_key(2, encoding::WireType::LengthDelimited, &mut request);
    encoding::encode_varint(spec_size as u64, &mut request);
    spec.encode_raw(&mut request);
    request.into()
}
