//! Claims of Kubernetes' objects: pod specs, and the `custom` of plugins, which has pod specs and
//! parts of them in it.
//!
//! Flyte's plugins read these objects with Go's `encoding/json`, which does not tell `Image` from
//! `image`, and with protobuf's, which takes `host_path` for `hostPath`. So names are compared
//! without regard to either. What has the name of a claim and is something else is refused where
//! nobody wanted it; the other way round, somebody's root would be overlooked.

use prost_reflect::{DynamicMessage, MapKey, Value};

use super::{ClaimKind, Found, ROLE_ANNOTATION, joined};
use crate::package::message::{field, text};

/// What Kubernetes' Pod Security Standard `baseline` lets a container add.
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Walks a `google.protobuf.Struct`.
pub(super) fn object(object: &DynamicMessage, path: &mut Vec<String>, found: &mut Found<'_>) {
    let Some(fields) = object.get_field_by_name("fields") else {
        return;
    };
    let Some(fields) = fields.as_map() else {
        return;
    };
    let mut members: Vec<(&str, &DynamicMessage)> = fields
        .iter()
        .filter_map(|(key, value)| match key {
            MapKey::String(key) => Some((key.as_str(), value.as_message()?)),
            _ => None,
        })
        .collect();
    members.sort_unstable_by_key(|(key, _)| *key);
    for (key, value) in members {
        path.push(key.to_owned());
        for (kind, value) in claimed(&folded(key), value) {
            found(joined(path), kind, value);
        }
        walk(value, path, found);
        path.pop();
    }
}

/// Walks a `google.protobuf.Value`. It nests no deeper than the decoder lets it.
fn walk(value: &DynamicMessage, path: &mut Vec<String>, found: &mut Found<'_>) {
    if let Some(inner) = field(value, "struct_value") {
        object(inner, path, found);
    }
    for (index, element) in elements(value).iter().enumerate() {
        if let Some(element) = element.as_message() {
            path.push(format!("[{index}]"));
            walk(element, path, found);
            path.pop();
        }
    }
}

/// What a member of this name claims.
fn claimed(name: &str, value: &DynamicMessage) -> Vec<(ClaimKind, String)> {
    use ClaimKind::{HostNamespace, HostPath, IamRole, Image, Privileged, ServiceAccount};
    let string = || Some(text(value, "string_value")).filter(|text| !text.is_empty());
    let told = |kind, text: &str| vec![(kind, text.to_owned())];
    let when_set = |kind, what: &str| {
        if is_set(value) {
            vec![(kind, what.to_owned())]
        } else {
            Vec::new()
        }
    };
    let of_string = |kind| string().map(|text| told(kind, text)).unwrap_or_default();
    match name {
        // Of containers; and the reference of a volume that is an image.
        "image" => {
            let volume = field(value, "struct_value").map(|volume| strings(volume, "reference"));
            let images = string().map(str::to_owned).into_iter();
            let images = images.chain(volume.into_iter().flatten());
            images.map(|image| (Image, image)).collect()
        }
        "serviceaccountname" | "serviceaccount" => of_string(ServiceAccount),
        ROLE_ANNOTATION => of_string(IamRole),
        "privileged" => when_set(Privileged, "privileged"),
        "hostprocess" => when_set(Privileged, "a host process"),
        "procmount" => string()
            .filter(|mount| *mount != "Default")
            .map(|mount| told(Privileged, &format!("procMount {mount}")))
            .unwrap_or_default(),
        "capabilities" => {
            let added = field(value, "struct_value").map(|it| strings(it, "add"));
            let added = added.into_iter().flatten();
            let beyond = added.filter(|name| {
                let name = name.to_ascii_uppercase();
                !CAPABILITIES.contains(&name.strip_prefix("CAP_").unwrap_or(&name))
            });
            beyond
                .map(|name| (Privileged, format!("capability {name}")))
                .collect()
        }
        "hostnetwork" => when_set(HostNamespace, "the node's network"),
        "hostpid" => when_set(HostNamespace, "the node's processes"),
        "hostipc" => when_set(HostNamespace, "the node's IPC"),
        "hostport" => when_set(HostNamespace, "a port of the node"),
        "hostpath" => {
            let path = field(value, "struct_value").map(|volume| strings(volume, "path"));
            let paths = path.into_iter().flatten();
            paths.map(|path| (HostPath, path)).collect()
        }
        name => spark(name).map(of_string).unwrap_or_default(),
    }
}

/// What Spark makes of an entry of its configuration: images, accounts and volumes of its pods.
fn spark(name: &str) -> Option<ClaimKind> {
    let pods = name.strip_prefix("spark.kubernetes.")?;
    Some(if pods.ends_with("container.image") {
        ClaimKind::Image
    } else if pods.ends_with("serviceaccountname") {
        ClaimKind::ServiceAccount
    } else if pods.contains(".volumes.hostpath.") && pods.ends_with(".options.path") {
        ClaimKind::HostPath
    } else if pods.ends_with("podtemplatefile") {
        // Whatever stands in that file.
        ClaimKind::Privileged
    } else {
        return None;
    })
}

/// The texts in members of this folded name, be they one text or a list of them.
fn strings(object: &DynamicMessage, name: &str) -> Vec<String> {
    let Some(fields) = object.get_field_by_name("fields") else {
        return Vec::new();
    };
    let fields = fields.as_map().into_iter().flatten();
    let named = fields.filter(|(key, _)| key.as_str().is_some_and(|key| folded(key) == name));
    let values = named.filter_map(|(_, value)| value.as_message());
    let texts = values.flat_map(|value| {
        let mut texts = vec![text(value, "string_value").to_owned()];
        let listed = elements(value);
        let listed = listed.iter().filter_map(Value::as_message);
        texts.extend(listed.map(|element| text(element, "string_value").to_owned()));
        texts
    });
    texts.filter(|text| !text.is_empty()).collect()
}

/// The elements of a `google.protobuf.Value` that is a list.
fn elements(value: &DynamicMessage) -> &[Value] {
    let Some(list) = field(value, "list_value") else {
        return &[];
    };
    crate::package::message::list(list, "values")
}

/// Anything but false, 0, null and nothing: what Go would not take fails later.
fn is_set(value: &DynamicMessage) -> bool {
    let is = |name: &str, wanted: fn(&Value) -> bool| {
        value.has_field_by_name(name) && value.get_field_by_name(name).is_some_and(|it| wanted(&it))
    };
    is("bool_value", |value| value.as_bool() == Some(true))
        || is("number_value", |value| value.as_f64() != Some(0.0))
        || is("string_value", |value| value.as_str() != Some(""))
}

/// A name as Go's and protobuf's decoders compare it: without case, which folds two more letters
/// than ASCII has, and without underscores.
fn folded(name: &str) -> String {
    let letters = name.chars().filter(|c| *c != '_').map(|c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    });
    letters.collect()
}
