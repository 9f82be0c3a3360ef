//! What every plan keeps to, and what the targets make their packages with.

use std::{collections::BTreeSet, io::Write as _};

use flate2::{Compression, write::GzEncoder};
use flyte_registration_crd::EntityType;
use flyte_registration_hub::package::{
    Archive, PackageError, Plan, Planned, Selection, Target, plan,
};
use flyte_registration_proto::flyteidl::descriptor_pool;
use prost_reflect::DynamicMessage;

/// Where all is registered.
pub fn target() -> Target {
    Target {
        project: "p".to_owned(),
        domain: "d".to_owned(),
        version: "v1".to_owned(),
    }
}

/// The bytes in gzip, not compressed: a mutation of them stays one.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(bytes).expect("memory takes it");
    gzip.finish().expect("memory takes it")
}

/// A package of these files.
pub fn package<'a>(files: impl IntoIterator<Item = (String, &'a [u8])>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content)
            .expect("memory takes it");
    }
    gzip(&tar.into_inner().expect("memory takes it"))
}

/// The plan of what is selected of an archive.
pub fn planned(archive: &Archive, selection: &Selection) -> Result<Plan, PackageError> {
    plan(archive.clone(), &target(), selection)
}

/// Its ids are the target's, its requests well-formed, and everything comes after what it needs.
pub fn sound(plan: &Plan) {
    let wanted = target();
    let mut ids = BTreeSet::new();
    for (index, entity) in plan.entities.iter().enumerate() {
        assert!(entity.needs.iter().all(|need| *need < index));
        assert_eq!(entity.id.project, wanted.project);
        assert_eq!(entity.id.domain, wanted.domain);
        assert_eq!(entity.id.version, wanted.version);
        assert!(!entity.id.name.is_empty());
        assert!(ids.insert((entity.kind, &entity.id)), "{}", entity.id);
        request(entity);
    }
    for reference in &plan.external {
        assert!(!reference.id.name.is_empty(), "{}", reference.id);
        assert!(!ids.contains(&(reference.kind, &reference.id)));
    }
    assert_eq!(
        plan.code.is_some(),
        plan.entities.iter().any(|entity| entity.uses_code)
    );
}

/// The request of an entity, decoded.
pub fn request(entity: &Planned) -> DynamicMessage {
    let name = match entity.kind {
        EntityType::Task => "flyteidl.admin.TaskCreateRequest",
        EntityType::Workflow => "flyteidl.admin.WorkflowCreateRequest",
        EntityType::LaunchPlan => "flyteidl.admin.LaunchPlanCreateRequest",
    };
    decode(name, &entity.request).expect("requests are well-formed")
}

/// `bytes` as the message of this name.
pub fn decode(name: &str, bytes: &[u8]) -> Option<DynamicMessage> {
    let descriptor = descriptor_pool().get_message_by_name(name);
    DynamicMessage::decode(descriptor.expect("it is in the pool"), bytes).ok()
}
