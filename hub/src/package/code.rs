//! The code that a package brings along, and the places in entities that refer to it.
//!
//! `pyflyte package --copy` adds `fast<md5>.tar.gz` and lets the tasks' arguments say
//! `{{ .remote_package_path }}`. As flytectl v1.16.8 does, what is uploaded and hashed is
//! the uncompressed tar: another choice would give tasks that conflict with flytectl's.

use std::io::{self, ErrorKind, Read, Write};

use flate2::read::MultiGzDecoder;
use md5::{Digest, Md5};
use prost_reflect::{DynamicMessage, MapKey, Value};

use super::message::field_mut;

/// Stands for where the code was uploaded to.
const REMOTE_PATH: &str = "{{ .remote_package_path }}";
/// Stands for where the code is unpacked to.
const DESTINATION: &str = "{{ .dest_dir }}";
/// What flytectl puts for the destination when it is told nothing.
const DEFAULT_DESTINATION: &str = ".";

/// The code that a package brings along: a tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The name of its file: `fast….tar.gz`, of letters, digits, `-` and `_`.
    pub name: String,
    /// MD5 of the uncompressed tar.
    pub md5: [u8; 16],
    /// Size of the uncompressed tar in bytes.
    pub size: u64,
}

/// Why a file cannot be the code.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is too large.
    Large,
    /// It is not gzip, or not whole.
    Damaged,
}

/// Reads the code to its end, to know its size and hash. Holds none of it.
pub(super) fn measure(name: &str, packed: impl Read, max: u64) -> Result<Code, Unusable> {
    let mut hash = Hash(Md5::new());
    // One byte more tells what is too large from what just fits.
    let mut tar = MultiGzDecoder::new(packed).take(max.saturating_add(1));
    let size = io::copy(&mut tar, &mut hash).map_err(|_| Unusable::Damaged)?;
    if size > max {
        return Err(Unusable::Large);
    }
    Ok(Code {
        name: name.to_owned(),
        md5: hash.0.finalize().into(),
        size,
    })
}

struct Hash(Md5);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the uncompressed tar of a package that [`read`](super::read()) has accepted to
/// `sink`, piece by piece. Fails when the package cannot be read or is another one.
pub fn copy_code(package: impl Read, code: &Code, sink: &mut impl Write) -> io::Result<()> {
    let mut tar = tar::Archive::new(MultiGzDecoder::new(package));
    for entry in tar.entries()? {
        let entry = entry?;
        if *entry.path_bytes() != *code.name.as_bytes() {
            continue;
        }
        let mut content = MultiGzDecoder::new(entry).take(code.size);
        return match io::copy(&mut content, sink)? {
            size if size == code.size => Ok(()),
            _ => Err(ErrorKind::UnexpectedEof.into()),
        };
    }
    Err(ErrorKind::NotFound.into())
}

/// The places of an entity that refer to the code: whole arguments of containers, and
/// those alone, as with flytectl.
pub(super) struct Places<'a> {
    url: Option<&'a str>,
    /// Whether there were any.
    pub(super) seen: bool,
}

impl<'a> Places<'a> {
    /// While it is not known where the code lies: that is left as it is.
    pub(super) fn open() -> Self {
        Self {
            url: None,
            seen: false,
        }
    }

    /// For code that lies there.
    pub(super) fn at(url: &'a str) -> Self {
        Self {
            url: Some(url),
            seen: false,
        }
    }

    /// Fills in the places of a `TaskTemplate`.
    pub(super) fn task(&mut self, template: &mut DynamicMessage) {
        if let Some(container) = field_mut(template, "container") {
            if container.has_field_by_name("args")
                && let Some(args) = container
                    .get_field_by_name_mut("args")
                    .and_then(Value::as_list_mut)
            {
                for arg in args {
                    self.fill(arg);
                }
            }
        } else if let Some(pod) = field_mut(template, "k8s_pod") {
            self.pod(pod);
        }
    }

    /// Fills in the places of a `TaskNode`.
    pub(super) fn node(&mut self, node: &mut DynamicMessage) {
        if let Some(pod) =
            field_mut(node, "overrides").and_then(|overrides| field_mut(overrides, "pod_template"))
        {
            self.pod(pod);
        }
    }

    /// Of a `K8sPod`. Init containers have no code to run.
    fn pod(&mut self, pod: &mut DynamicMessage) {
        let containers = field_mut(pod, "pod_spec")
            .and_then(|spec| member(spec, "containers"))
            .and_then(elements);
        for container in containers.into_iter().flatten() {
            let args = container
                .as_message_mut()
                .and_then(|container| field_mut(container, "struct_value"))
                .and_then(|container| member(container, "args"))
                .and_then(elements);
            for arg in args.into_iter().flatten() {
                if let Some(arg) = arg.as_message_mut()
                    && arg.has_field_by_name("string_value")
                    && let Some(text) = arg.get_field_by_name_mut("string_value")
                {
                    self.fill(text);
                }
            }
        }
    }

    fn fill(&mut self, arg: &mut Value) {
        match arg.as_str() {
            Some(REMOTE_PATH) => {
                if let Some(url) = self.url {
                    *arg = Value::String(url.to_owned());
                }
            }
            Some(DESTINATION) => *arg = Value::String(DEFAULT_DESTINATION.to_owned()),
            _ => return,
        }
        self.seen = true;
    }
}

/// A member of a `google.protobuf.Struct`: a `google.protobuf.Value`.
fn member<'a>(object: &'a mut DynamicMessage, name: &str) -> Option<&'a mut DynamicMessage> {
    if !object.has_field_by_name("fields") {
        return None;
    }
    object
        .get_field_by_name_mut("fields")?
        .as_map_mut()?
        .get_mut(&MapKey::String(name.to_owned()))?
        .as_message_mut()
}

/// The elements of a `google.protobuf.Value` that is a list.
fn elements(value: &mut DynamicMessage) -> Option<&mut Vec<Value>> {
    let list = field_mut(value, "list_value")?;
    if !list.has_field_by_name("values") {
        return None;
    }
    list.get_field_by_name_mut("values")?.as_list_mut()
}
