//! What FlyteAdmin has, against what the package says.

use anyhow::{Context as _, Result, bail};
use flyte_registration_proto::flyteidl::{
    admin::ObjectGetRequest,
    core::{Identifier, ResourceType},
};
use flyte_registration_tests::peers::FlyteAdmin;
use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};

use super::contents::{Contents, Kind, at, decode, difference, each, list, text};
use crate::fast::call;

/// Where something is registered.
pub struct Place {
    project: String,
    domain: String,
    version: String,
}

impl Place {
    pub fn new(project: &str, domain: &str, version: &str) -> Self {
        Self {
            project: project.to_owned(),
            domain: domain.to_owned(),
            version: version.to_owned(),
        }
    }

    /// Fills in whatever of an id is open, wherever there is one.
    fn fill(&self, message: &mut DynamicMessage) {
        each(message, &mut |inner| {
            if inner.descriptor().full_name() != "flyteidl.core.Identifier" {
                return;
            }
            let parts = [
                ("project", &self.project),
                ("domain", &self.domain),
                ("version", &self.version),
            ];
            for (name, value) in parts {
                if text(inner, name).is_empty() {
                    inner.set_field_by_name(name, Value::String(value.clone()));
                }
            }
        });
    }
}

/// The task as FlyteAdmin has it.
pub async fn task(flyteadmin: &FlyteAdmin, place: &Place, name: &str) -> Result<DynamicMessage> {
    let task = get(flyteadmin, Kind::Task, place, name).await?;
    at(&task, "closure.compiled_task.template")
}

async fn get(
    flyteadmin: &FlyteAdmin,
    kind: Kind,
    place: &Place,
    name: &str,
) -> Result<DynamicMessage> {
    let (rpc, type_) = match kind {
        Kind::Task => ("Task", ResourceType::Task),
        Kind::Workflow => ("Workflow", ResourceType::Workflow),
        Kind::LaunchPlan => ("LaunchPlan", ResourceType::LaunchPlan),
    };
    let id = Identifier {
        resource_type: type_.into(),
        project: place.project.clone(),
        domain: place.domain.clone(),
        name: name.to_owned(),
        version: place.version.clone(),
        ..Identifier::default()
    };
    let request = ObjectGetRequest { id: Some(id) }.encode_to_vec();
    let path = format!("/flyteidl.service.AdminService/Get{rpc}");
    let answer = call(flyteadmin, &path, &request).await;
    let answer = answer.with_context(|| format!("{rpc} {name}"))?;
    decode(&format!("flyteidl.admin.{rpc}"), &answer)
}

/// Fails at the first entity of the package that FlyteAdmin has otherwise.
pub async fn verify(flyteadmin: &FlyteAdmin, place: &Place, contents: &Contents) -> Result<()> {
    let url = code(flyteadmin, place).await?;
    for (kind, message) in &contents.0 {
        let mut wanted = message.clone();
        place.fill(&mut wanted);
        each(&mut wanted, &mut |inner| put_code(inner, url.as_deref()));
        let id = match kind {
            Kind::LaunchPlan => at(&wanted, "id")?,
            _ => at(&wanted, "template.id")?,
        };
        let name = text(&id, "name");
        let held = get(flyteadmin, *kind, place, &name).await?;
        match kind {
            Kind::Task => same(
                &name,
                &at(&wanted, "template")?,
                &at(&held, "closure.compiled_task.template")?,
            )?,
            Kind::LaunchPlan => same(&name, &at(&wanted, "spec")?, &at(&held, "spec")?)?,
            Kind::Workflow => workflow(&name, &wanted, &held)?,
        }
    }
    Ok(())
}

/// Where the tasks find the package's code, if it brought any.
async fn code(flyteadmin: &FlyteAdmin, place: &Place) -> Result<Option<String>> {
    let container = at(
        &task(flyteadmin, place, "features.tasks.double").await?,
        "container",
    )?;
    let args = container.get_field_by_name("args");
    let args = args.as_deref().and_then(Value::as_list);
    let mut args = args.into_iter().flatten().filter_map(Value::as_str);
    Ok(args.find(|arg| arg.starts_with("s3://")).map(str::to_owned))
}

/// Puts the code's place where a container asks for it, and where it is unpacked to.
fn put_code(message: &mut DynamicMessage, url: Option<&str>) {
    let fill = |value: &mut Value| match (value.as_str(), url) {
        (Some("{{ .remote_package_path }}"), Some(url)) => *value = Value::String(url.to_owned()),
        (Some("{{ .dest_dir }}"), _) => *value = Value::String(".".to_owned()),
        _ => {}
    };
    match message.descriptor().full_name() {
        "flyteidl.core.Container" if message.has_field_by_name("args") => {
            let args = message.get_field_by_name_mut("args");
            let args = args.and_then(Value::as_list_mut).into_iter().flatten();
            args.for_each(fill);
        }
        "google.protobuf.Value" if message.has_field_by_name("string_value") => {
            message.get_field_by_name_mut("string_value").map(fill);
        }
        _ => {}
    }
}

fn same(name: &str, wanted: &DynamicMessage, held: &DynamicMessage) -> Result<()> {
    match difference(wanted, held) {
        None => Ok(()),
        Some(place) => bail!("{name}: the package's and FlyteAdmin's {place}"),
    }
}

/// The compiler adds nodes for start and end, names the former where inputs of the workflow are meant,
/// puts the ids of nodes around a branch before those in it, and lists what comes before a node in
/// another order; all else is as it was.
fn workflow(name: &str, wanted: &DynamicMessage, held: &DynamicMessage) -> Result<()> {
    let compiled = at(held, "closure.compiled_workflow")?;
    let primary = at(&compiled, "primary.template")?;
    same(
        name,
        &uncompiled(at(wanted, "template")?),
        &uncompiled(primary),
    )?;
    let embedded = list(&compiled, "sub_workflows");
    for sub in list(wanted, "sub_workflows") {
        let id = at(&sub, "id")?;
        let held = embedded.iter().map(|held| at(held, "template"));
        let held = held.collect::<Result<Vec<_>>>()?;
        let held = held
            .into_iter()
            .find(|held| at(held, "id").is_ok_and(|held| held == id));
        let held = held.with_context(|| format!("{name} does not embed {}", text(&id, "name")))?;
        same(name, &uncompiled(sub), &uncompiled(held))?;
    }
    Ok(())
}

fn uncompiled(mut template: DynamicMessage) -> DynamicMessage {
    let nodes = template.get_field_by_name_mut("nodes");
    if let Some(nodes) = nodes.and_then(Value::as_list_mut) {
        nodes.retain(|node| {
            let id = node.as_message().map(|node| text(node, "id"));
            !matches!(id.as_deref(), Some("start-node" | "end-node"))
        });
    }
    each(
        &mut template,
        &mut |inner| match inner.descriptor().full_name() {
            "flyteidl.core.OutputReference" if text(inner, "node_id") == "start-node" => {
                inner.clear_field_by_name("node_id");
            }
            "flyteidl.core.Node" if inner.has_field_by_name("upstream_node_ids") => {
                let ids = inner.get_field_by_name_mut("upstream_node_ids");
                if let Some(ids) = ids.and_then(Value::as_list_mut) {
                    ids.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
                }
            }
            "flyteidl.core.IfBlock" => own_id(inner, "then_node"),
            "flyteidl.core.IfElseBlock" if inner.has_field_by_name("else_node") => {
                own_id(inner, "else_node");
            }
            _ => {}
        },
    );
    template
}

/// Leaves of the id of a node in a branch what is its own.
fn own_id(block: &mut DynamicMessage, field: &str) {
    let node = block.get_field_by_name_mut(field);
    if let Some(node) = node.and_then(Value::as_message_mut) {
        let id = text(node, "id");
        let own = id.rsplit('-').next().unwrap_or_default();
        node.set_field_by_name("id", Value::String(own.to_owned()));
    }
}
