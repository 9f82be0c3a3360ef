//! Reading archives.

use std::{collections::BTreeSet, io::Read as _};

use flate2::read::MultiGzDecoder;
use flyte_registration_hub::package::{Limits, Selection, copy_code, read};
use md5::{Digest as _, Md5};

use super::sound::{gzip, planned, sound};

/// Small, so that few bytes reach them.
fn limits() -> Limits {
    Limits {
        files: 8,
        entity_bytes: 4 << 10,
        unpacked_bytes: 32 << 10,
        fast_bytes: 8 << 10,
        name_bytes: 120,
        workflow_nodes: 8,
    }
}

/// The input as an archive, as it is and as the tar in one.
pub fn run(data: &[u8]) {
    one(data);
    one(&gzip(data));
}

fn one(package: &[u8]) {
    let limits = limits();
    let Ok(archive) = read(package, &limits) else {
        return;
    };
    let files = agreed(package, &limits);
    let Ok(plan) = planned(&archive, &Selection::default()) else {
        return;
    };
    sound(&plan);
    assert_eq!(plan.entities.len(), files, "an entity for each file");
    for entity in &plan.entities {
        assert!(entity.request.len() as u64 <= limits.entity_bytes);
        assert!(entity.id.name.len() <= limits.name_bytes);
    }
    // What is uploaded is what was measured.
    if let Some(code) = &plan.code {
        let mut uploaded = Vec::new();
        copy_code(package, code, &mut uploaded).expect("the code is found again");
        assert_eq!(uploaded.len() as u64, code.size);
        assert_eq!(<[u8; 16]>::from(Md5::digest(&uploaded)), code.md5);
        assert!(code.size <= limits.fast_bytes);
    }
}

/// What is accepted holds the same to an ordinary reader, and is within the limits: nobody else who
/// looks into the package may see another one. The number of its entities.
fn agreed(package: &[u8], limits: &Limits) -> usize {
    let mut tar = tar::Archive::new(MultiGzDecoder::new(package));
    let (mut names, mut entities, mut bytes) = (BTreeSet::new(), 0, 0);
    for entry in tar.entries().expect("it was read") {
        let mut entry = entry.expect("it was read");
        let name = entry.path_bytes().into_owned();
        let name = String::from_utf8(name).expect("names are text");
        assert!(!name.contains(['/', '\\']) && name != "..", "{name}");
        assert!(name.len() <= limits.name_bytes);
        assert!(entry.header().entry_type().is_file());
        if name.rsplit('.').next() == Some("pb") {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("it was read");
            assert!(content.len() as u64 <= limits.entity_bytes);
            bytes += content.len() as u64;
            entities += 1;
        }
        assert!(names.insert(name), "two files of one name");
    }
    assert!(names.len() <= limits.files && bytes <= limits.unpacked_bytes);
    entities
}
