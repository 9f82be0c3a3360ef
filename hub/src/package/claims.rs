//! What the entities of a plan want for their pods that somebody must allow: images, accounts,
//! the node's own things.
//!
//! Every message of a request is walked, wherever it stands, and Kubernetes' objects in it are
//! walked by the names of their members. So a container counts in a node's override in a branch
//! of a workflow within a workflow, and in a plugin's `custom`, without a list of all such places.

use std::fmt;

use flyte_registration_crd::EntityType;
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};

use super::{PackageError, Plan, Problem, What, error::Kind, message};

mod kubernetes;

/// Something that must be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What wants it.
    pub entity: EntityType,
    /// Its name.
    pub name: String,
    /// The field, from the task's or workflow's spec or the launch plan's.
    pub path: String,
    /// What kind of thing it is.
    pub kind: ClaimKind,
    /// Which one.
    pub value: String,
}

/// What can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimKind {
    /// A container image.
    Image,
    /// A Kubernetes service account.
    ServiceAccount,
    /// An IAM role.
    IamRole,
    /// A place for raw output.
    RawOutputDataPrefix,
    /// Something that makes a container as good as root on its node.
    Privileged,
    /// The node's network, processes, IPC or ports.
    HostNamespace,
    /// A path of the node.
    HostPath,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            entity,
            name,
            path,
            value,
            ..
        } = self;
        write!(f, "{} {name}: {path}: {value}", Kind(*entity))
    }
}

/// Everything that the plan's entities claim, in their order.
pub fn claims(plan: &Plan) -> Result<Vec<Claim>, PackageError> {
    let mut claims = Vec::new();
    for planned in &plan.entities {
        let kind = planned.kind;
        let type_name = match kind {
            EntityType::Task => "flyteidl.admin.TaskCreateRequest",
            EntityType::Workflow => "flyteidl.admin.WorkflowCreateRequest",
            EntityType::LaunchPlan => "flyteidl.admin.LaunchPlanCreateRequest",
        };
        let request = message::decode(type_name, &planned.request).map_err(|error| {
            PackageError::Problems(vec![Problem {
                file: planned.id.name.clone(),
                what: What::Undecodable { kind, error },
            }])
        })?;
        let mut walk = Walk {
            path: Vec::new(),
            found: &mut |path, kind, value| {
                claims.push(Claim {
                    entity: planned.kind,
                    name: planned.id.name.clone(),
                    path,
                    kind,
                    value,
                });
            },
        };
        if let Some(spec) = message::field(&request, "spec") {
            walk.message(spec);
        }
    }
    Ok(claims)
}

/// Who is told of a claim: its path, its kind, its value.
type Found<'a> = dyn FnMut(String, ClaimKind, String) + 'a;

struct Walk<'a, 'b> {
    path: Vec<String>,
    found: &'a mut Found<'b>,
}

/// Values of users and their types: no pod is made of them, whatever they are called.
const DATA: [&str; 8] = [
    "flyteidl.core.Binding",
    "flyteidl.core.BooleanExpression",
    "flyteidl.core.Literal",
    "flyteidl.core.LiteralMap",
    "flyteidl.core.ParameterMap",
    "flyteidl.core.TypedInterface",
    "flyteidl.core.LiteralType",
    "flyteidl.core.Scalar",
];

/// The annotation by which kube2iam and its like give a pod its role.
const ROLE_ANNOTATION: &str = "iam.amazonaws.com/role";

impl Walk<'_, '_> {
    /// Recursion ends: protobuf messages nest at most 100 deep, which the decoder sees to.
    fn message(&mut self, message: &DynamicMessage) {
        let descriptor = message.descriptor();
        let name = descriptor.full_name();
        if DATA.contains(&name) {
            return;
        }
        if name == "google.protobuf.Struct" {
            kubernetes::object(message, &mut self.path, self.found);
            return;
        }
        for (field, value) in message.fields() {
            self.path.push(field.name().to_owned());
            if let Some(kind) = claimed(name, field.name()) {
                self.text(kind, value);
            }
            self.value(value);
            self.path.pop();
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Message(message) => self.message(message),
            Value::List(values) => {
                for (index, value) in values.iter().enumerate() {
                    let Some(message) = value.as_message() else {
                        continue;
                    };
                    let id = message::text(message, "id");
                    let index = index.to_string();
                    let place = if id.is_empty() { &index } else { id };
                    self.path.push(format!("[{place}]"));
                    self.message(message);
                    self.path.pop();
                }
            }
            Value::Map(values) => {
                for (key, value) in values {
                    if key.as_str() == Some(ROLE_ANNOTATION) {
                        self.path.push(format!("[{ROLE_ANNOTATION}]"));
                        self.text(ClaimKind::IamRole, value);
                        self.path.pop();
                    }
                    self.value(value);
                }
            }
            _ => {}
        }
    }

    /// An empty text claims nothing.
    fn text(&mut self, kind: ClaimKind, value: &Value) {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            (self.found)(joined(&self.path), kind, text.to_owned());
        }
    }
}

/// What the field of a message of FlyteIDL claims.
fn claimed(message: &str, field: &str) -> Option<ClaimKind> {
    Some(match (message, field) {
        ("flyteidl.core.Container", "image")
        | ("flyteidl.core.TaskNodeOverrides", "container_image") => ClaimKind::Image,
        ("flyteidl.core.Identity", "k8s_service_account")
        | ("flyteidl.admin.AuthRole" | "flyteidl.admin.Auth", "kubernetes_service_account") => {
            ClaimKind::ServiceAccount
        }
        ("flyteidl.core.Identity", "iam_role")
        | ("flyteidl.admin.AuthRole" | "flyteidl.admin.Auth", "assumable_iam_role")
        | ("flyteidl.admin.LaunchPlanSpec", "role") => ClaimKind::IamRole,
        ("flyteidl.admin.RawOutputDataConfig", "output_location_prefix") => {
            ClaimKind::RawOutputDataPrefix
        }
        _ => return None,
    })
}

/// `a.b[0].c`
fn joined(path: &[String]) -> String {
    let mut text = String::new();
    for part in path {
        if !text.is_empty() && !part.starts_with('[') {
            text.push('.');
        }
        text.push_str(part);
    }
    text
}
