//! Fixed and default inputs of a launch plan against its workflow.

use std::collections::{BTreeMap, HashMap};

use flyte_registration_proto::flyteidl::{
    admin,
    core::{self, parameter::Behavior, primitive, scalar},
};
use prost_reflect::{DynamicMessage, MapKey, Value};

use crate::{
    dynamic,
    error::{AdminError, Answer},
    types,
};

/// The seconds that a timestamp may have: years 1 to 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Each input makes sense by itself.
pub fn check(spec: &admin::LaunchPlanSpec) -> Answer<()> {
    let fixed = spec.fixed_inputs.iter().flat_map(|inputs| &inputs.literals);
    for (name, literal) in fixed.collect::<BTreeMap<_, _>>() {
        key(name, "fixed_inputs")?;
        if literal.value.is_none() {
            let text = format!("missing valid literal in fixed_inputs {name}");
            return Err(AdminError::invalid(text));
        }
        datetime(literal)?;
    }
    let defaults = spec
        .default_inputs
        .iter()
        .flat_map(|inputs| &inputs.parameters);
    for (name, parameter) in defaults.collect::<BTreeMap<_, _>>() {
        if matches!(parameter.behavior, Some(Behavior::ArtifactQuery(_))) {
            return Err(AdminError::invalid(format!(
                "artifact mode not enabled but query found default_inputs {name}"
            )));
        }
        key(name, "default_inputs")?;
        if parameter
            .var
            .as_ref()
            .is_none_or(|var| var.r#type.is_none())
        {
            return Err(AdminError::invalid(format!(
                "The Variable component of the Parameter {name} in default_inputs either is \
                 missing, or has a missing Type"
            )));
        }
        match &parameter.behavior {
            Some(Behavior::Default(literal)) => {
                let given = known(name, types::of_literal(literal))?;
                let wanted = parameter
                    .var
                    .clone()
                    .unwrap_or_default()
                    .r#type
                    .unwrap_or_default();
                if !types::castable(&given, &wanted) {
                    return Err(AdminError::invalid(format!(
                        "Type mismatch for Parameter {name} in default_inputs has type {}, \
                         expected {}",
                        types::show(Some(&wanted)),
                        types::show(Some(&given))
                    )));
                }
                datetime(literal)?;
            }
            Some(Behavior::Required(true)) => {}
            _ => {
                return Err(AdminError::invalid(format!(
                    "Invalid variable {name} in default_inputs - variable has neither default, \
                     nor is required. One must be specified"
                )));
            }
        }
    }
    Ok(())
}

fn key(name: &str, field: &str) -> Answer<()> {
    if name.is_empty() {
        return Err(AdminError::invalid(format!("missing key in {field}")));
    }
    Ok(())
}

fn datetime(literal: &core::Literal) -> Answer<()> {
    let Some(core::literal::Value::Scalar(scalar)) = &literal.value else {
        return Ok(());
    };
    let Some(scalar::Value::Primitive(primitive)) = &scalar.value else {
        return Ok(());
    };
    let Some(primitive::Value::Datetime(time)) = &primitive.value else {
        return Ok(());
    };
    let side = if time.seconds < *SECONDS.start() {
        "before 0001-01-01"
    } else {
        "after 9999-12-31"
    };
    if !SECONDS.contains(&time.seconds) {
        return Err(AdminError::invalid(format!(
            "proto: timestamp (seconds:{}  nanos:{}) {side}",
            time.seconds, time.nanos
        )));
    }
    Ok(())
}

/// All inputs that are open when the launch plan runs: its defaults, and what the
/// workflow wants beyond them and the fixed ones.
pub fn expected(
    spec: &admin::LaunchPlanSpec,
    raw: &DynamicMessage,
    workflow: Option<&core::VariableMap>,
) -> Answer<DynamicMessage> {
    let wanted: BTreeMap<_, _> = workflow
        .into_iter()
        .flat_map(|map| &map.variables)
        .collect();
    let fixed = spec.fixed_inputs.clone().unwrap_or_default().literals;
    let defaults = spec.default_inputs.clone().unwrap_or_default().parameters;
    if wanted.is_empty() {
        for (kind, count) in [("default", defaults.len()), ("fixed", fixed.len())] {
            if count > 0 {
                return Err(AdminError::invalid(format!(
                    "invalid launch plan {kind} inputs, expected none but found {count}"
                )));
            }
        }
    }
    for (kind, names) in [
        ("default_input", defaults.keys().collect::<Vec<_>>()),
        ("fixed_input", fixed.keys().collect()),
    ] {
        let mut unknown: Vec<_> = names
            .into_iter()
            .filter(|name| !wanted.contains_key(name))
            .collect();
        unknown.sort();
        if let Some(name) = unknown.first() {
            return Err(AdminError::invalid(format!("unexpected {kind} {name}")));
        }
    }
    check_types(&wanted, &defaults, &fixed)?;
    let given = raw.get_field_by_name("default_inputs");
    let given = given.as_ref().and_then(|inputs| inputs.as_message());
    let mut parameters = HashMap::new();
    for (name, variable) in wanted {
        let own = given.and_then(|inputs| dynamic::entry(inputs, "parameters", name));
        let parameter = match own {
            Some(Value::Message(own)) => own.clone(),
            _ if fixed.contains_key(name) => continue,
            _ => dynamic::untyped("flyteidl.core.Parameter", &required(variable))?,
        };
        parameters.insert(MapKey::String(name.clone()), Value::Message(parameter));
    }
    let mut expected = dynamic::empty("flyteidl.core.ParameterMap");
    dynamic::Fields::put(&mut expected, "parameters", Value::Map(parameters));
    Ok(expected)
}

type Wanted<'a> = BTreeMap<&'a String, &'a core::Variable>;

fn check_types(
    wanted: &Wanted<'_>,
    defaults: &HashMap<String, core::Parameter>,
    fixed: &HashMap<String, core::Literal>,
) -> Answer<()> {
    for (name, variable) in wanted {
        let wanted = variable.r#type.clone().unwrap_or_default();
        if let Some(parameter) = defaults.get(*name) {
            let given = parameter
                .var
                .clone()
                .unwrap_or_default()
                .r#type
                .unwrap_or_default();
            if !types::castable(&given, &wanted) {
                return Err(AdminError::invalid(format!(
                    "invalid default_input wrong type {name}, expected {}, got {} instead",
                    types::show(Some(&given)),
                    types::show(Some(&wanted))
                )));
            }
        }
        if let Some(literal) = fixed.get(*name) {
            let given = known(name, types::of_literal(literal))?;
            if !types::castable(&given, &wanted) {
                return Err(AdminError::invalid(format!(
                    "invalid fixed_input wrong type {name}, expected {}, got {} instead",
                    types::show(Some(&wanted)),
                    types::show(Some(&given))
                )));
            }
        }
    }
    Ok(())
}

fn known(name: &str, kind: Option<core::LiteralType>) -> Answer<core::LiteralType> {
    kind.ok_or_else(|| {
        AdminError::invalid(format!(
            "Failed to validate literal type for [{name}] with err: got unknown literal type: \
             [<nil>].\nSuggested solution: Please update all your Flyte deployment images to the \
             latest version and try again"
        ))
    })
}

fn required(variable: &core::Variable) -> core::Parameter {
    core::Parameter {
        var: Some(core::Variable {
            r#type: variable.r#type.clone(),
            description: variable.description.clone(),
            ..Default::default()
        }),
        behavior: Some(Behavior::Required(true)),
    }
}
