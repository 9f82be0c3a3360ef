//! What a task asks for against what the platform allows, and what the task compiler
//! checks.

use std::collections::BTreeMap;

use flyte_registration_proto::flyteidl::core::{
    self, Container, Identifier, K8sPod, TaskTemplate,
    resources::{ResourceEntry, ResourceName},
    task_template::Target,
};
use serde_json::Value;
use tonic::Code;

use crate::{
    admin::Limits,
    compile::errors::Errors,
    dynamic,
    error::{AdminError, Answer},
    golang::text,
    quantity::Quantity,
    validate,
};

type Amounts = BTreeMap<ResourceName, Quantity>;

/// Requests and limits of a container.
pub fn container(container: &Container, task: Option<&Identifier>, limits: &Limits) -> Answer<()> {
    let Some(resources) = &container.resources else {
        return Ok(());
    };
    let requests = amounts(&resources.requests, task)?;
    let ceilings = amounts(&resources.limits, task)?;
    compare(&requests, &ceilings, task, limits)
}

/// The containers of a pod; its init containers are not compared.
pub fn pod(pod: &K8sPod, task: Option<&Identifier>, limits: &Limits) -> Answer<()> {
    let Some(spec) = &pod.pod_spec else {
        return Err(AdminError::invalid(
            "invalid TaskSpecification, pod tasks should specify their target as a K8sPod with a \
             defined pod spec",
        ));
    };
    let spec = pod_json(spec)?;
    let kind = match &spec["containers"] {
        Value::String(_) => Some("string"),
        Value::Number(_) => Some("number"),
        Value::Bool(_) => Some("bool"),
        Value::Object(_) => Some("object"),
        Value::Array(_) | Value::Null => None,
    };
    if let Some(kind) = kind {
        let text = format!(
            "json: cannot unmarshal {kind} into Go struct field PodSpec.containers of type \
             []v1.Container"
        );
        return Err(AdminError::new(Code::Internal, text));
    }
    for container in spec["containers"].as_array().into_iter().flatten() {
        let listed = |kind: &str| pod_amounts(&container["resources"][kind]);
        compare(&listed("requests")?, &listed("limits")?, task, limits)?;
    }
    Ok(())
}

fn pod_json(spec: &prost_types::Struct) -> Answer<Value> {
    let spec = dynamic::untyped("google.protobuf.Struct", spec)?;
    serde_json::to_value(&spec).map_err(|error| AdminError::new(Code::Internal, error.to_string()))
}

fn pod_amounts(list: &Value) -> Answer<Amounts> {
    let mut amounts = Amounts::new();
    for (name, value) in list.as_object().into_iter().flatten() {
        let written = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let amount =
            Quantity::parse(&written).map_err(|reason| AdminError::new(Code::Internal, reason))?;
        let name = if name == "ephemeral-storage" {
            "EPHEMERAL_STORAGE"
        } else {
            name
        };
        let name = ResourceName::from_str_name(&name.to_uppercase());
        amounts.insert(name.unwrap_or(ResourceName::Unknown), amount);
    }
    Ok(amounts)
}

fn amounts(entries: &[ResourceEntry], task: Option<&Identifier>) -> Answer<Amounts> {
    let mut amounts = Amounts::new();
    for entry in entries {
        let name = entry.name();
        let word = name.as_str_name();
        if matches!(name, ResourceName::Unknown | ResourceName::Storage) {
            continue;
        }
        if amounts.contains_key(&name) {
            let task = text::identifier(task);
            let text = format!("can't specify {word} limit for task [{task}] multiple times");
            return Err(AdminError::invalid(text));
        }
        let amount = Quantity::parse(&entry.value).map_err(|reason| {
            AdminError::invalid(format!(
                "Parsing of {word} request failed for value {} - reason  {reason}. Please follow \
                 K8s conventions for resources https://kubernetes.io/docs/concepts/configuration/\
                 manage-resources-containers/",
                entry.value
            ))
        })?;
        if name == ResourceName::Gpu && !amount.is_whole() {
            return Err(AdminError::invalid(format!(
                "gpu for [{}] must be a whole number, got: {} instead",
                text::identifier(task),
                entry.value
            )));
        }
        amounts.insert(name, amount);
    }
    Ok(amounts)
}

/// A limit without a request is never looked at.
fn compare(
    requests: &Amounts,
    ceilings: &Amounts,
    task: Option<&Identifier>,
    limits: &Limits,
) -> Answer<()> {
    for (name, request) in requests {
        let ceiling = ceilings.get(name);
        let platform = match name {
            ResourceName::Cpu => Some(limits.cpu),
            ResourceName::Memory => Some(limits.memory),
            ResourceName::Gpu => Some(limits.gpu),
            _ => None,
        };
        let over = |what: &str, amount: &Quantity| match platform {
            Some(most) if amount.whole() > most.whole() => Err(AdminError::invalid(format!(
                "Requested {} {what} [{amount}] is greater than current limit set in the platform \
                 configuration [{most}]. Please contact Flyte Admins to change these limits or \
                 consult the configuration",
                name.as_str_name()
            ))),
            _ => Ok(()),
        };
        match (name, ceiling) {
            (ResourceName::Unknown | ResourceName::Storage, _) => continue,
            (ResourceName::Gpu, Some(ceiling)) if ceiling.whole() != request.whole() => {
                return Err(AdminError::invalid(format!(
                    "For extended resource 'gpu' the default value must equal the limit value for \
                     task [{}]",
                    text::identifier(task)
                )));
            }
            (ResourceName::Gpu, _) | (_, None) => {}
            (_, Some(ceiling)) if ceiling.whole() < request.whole() => {
                return Err(AdminError::invalid(format!(
                    "Requested {} default [{request}] is greater than the limit [{ceiling}]. \
                     Please fix your configuration",
                    name.as_str_name()
                )));
            }
            (_, Some(ceiling)) => over("limit", ceiling)?,
        }
        over("default", request)?;
    }
    Ok(())
}

/// The task compiler: it only checks.
pub fn compile(template: &TaskTemplate) -> Answer<()> {
    let mut errors = Errors::default();
    match &template.target {
        Some(Target::Container(container)) => {
            let interface = template.interface.clone().unwrap_or_default();
            let filled =
                |map: Option<core::VariableMap>| map.is_some_and(|m| !m.variables.is_empty());
            let used = filled(interface.inputs) || filled(interface.outputs);
            if used && container.command.is_empty() && container.args.is_empty() {
                errors.add("ValueRequired", "container", "Value required [command].");
            }
            let resources = container.resources.clone().unwrap_or_default();
            for entry in resources.requests.iter().chain(&resources.limits) {
                if Quantity::parse(&entry.value).is_err() {
                    let node = format!("resources.{}", entry.name().as_str_name());
                    let text = format!("Unrecognized value [{}].", entry.value);
                    errors.add("UnrecognizedValue", &node, &text);
                }
            }
        }
        Some(Target::K8sPod(pod)) => {
            let spec = pod
                .pod_spec
                .as_ref()
                .map(pod_json)
                .transpose()?
                .unwrap_or_default();
            for container in spec["containers"].as_array().into_iter().flatten() {
                let name = container["name"].as_str().unwrap_or_default();
                if validate::bad_dns_label(name).is_some() {
                    let text = "Invalid value [k8s pod spec container name].";
                    errors.add("InvalidValue", "root", text);
                }
            }
        }
        Some(Target::Sql(_)) | None => {}
    }
    errors
        .check()
        .map_err(|text| AdminError::invalid(format!("task failed compilation with {text}")))
}
