//! Planning several entities together.

use flyte_registration_crd::EntityType;
use flyte_registration_hub::package::{
    Activation, Archive, Limits, Options, PackageError, Plan, Selection, read,
};

use super::sound::{gzip, package, planned, sound};

/// A package of files: each is its kind (a byte), its length (two bytes, the most significant first)
/// and its content.
pub fn run(data: &[u8]) {
    let files = files(data);
    let one = archive(&files, false);
    let (Some(one), Some(other)) = (one, archive(&files, true)) else {
        return;
    };
    let first = whole(&one);
    same(&first, &whole(&other));
    let Ok(whole) = first else {
        return;
    };
    sound(&whole);
    options(&whole);
    located(&whole);
    let _ = whole.chosen(&Activation::Scheduled);
    for entity in &whole.entities {
        if entity.kind == EntityType::Workflow {
            let part = select(&one, &entity.id.name);
            let part = part.expect("what the package holds can be selected by its full name");
            sound(&part);
            within(&part, &whole);
        }
    }
}

fn files(mut data: &[u8]) -> Vec<(u8, &[u8])> {
    let mut files = Vec::new();
    while let [kind, high, low, rest @ ..] = data {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (content, rest) = rest.split_at(length);
        files.push((kind % 3 + 1, content));
        data = rest;
    }
    files
}

fn archive(files: &[(u8, &[u8])], reversed: bool) -> Option<Archive> {
    let code = gzip(b"code");
    let mut named: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(index, (kind, content))| (format!("{index}_fuzz_{kind}.pb"), *content))
        .chain([("fast0.tar.gz".to_owned(), code.as_slice())])
        .collect();
    if reversed {
        named.reverse();
    }
    read(package(named).as_slice(), &Limits::default()).ok()
}

fn whole(archive: &Archive) -> Result<Plan, PackageError> {
    planned(archive, &Selection::default())
}

fn select(archive: &Archive, workflow: &str) -> Result<Plan, PackageError> {
    let selection = Selection {
        workflow_name: Some(workflow.to_owned()),
    };
    planned(archive, &selection)
}

/// The order of files in an archive means nothing.
fn same(one: &Result<Plan, PackageError>, other: &Result<Plan, PackageError>) {
    match (one, other) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one.to_string(), other.to_string());
            for (one, other) in one.entities.iter().zip(&other.entities) {
                // Maps have no order: the bytes may differ, not their number.
                assert_eq!(one.request.len(), other.request.len());
            }
        }
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        (one, other) => panic!("{one:?} but {other:?}"),
    }
}

/// A selection takes from the package, and what it leaves out becomes a reference.
fn within(part: &Plan, whole: &Plan) {
    for entity in &part.entities {
        let held = whole.entities.iter();
        let mut same = held.filter(|other| (other.kind, &other.id) == (entity.kind, &entity.id));
        assert!(same.next().is_some(), "{}", entity.id);
    }
    for reference in &part.external {
        assert!(whole.external.contains(reference), "{}", reference.id);
    }
}

/// With the code's place known, no entity asks for it, and that is all that changes.
fn located(plan: &Plan) {
    let located = plan.located("s3://bucket/code");
    sound(&located);
    for (open, found) in plan.entities.iter().zip(&located.entities) {
        assert_eq!((&open.id, &open.needs), (&found.id, &found.needs));
        if !open.uses_code {
            assert_eq!(open.request, found.request);
        }
    }
}

fn options(plan: &Plan) {
    let options = Options {
        service_account: Some("runner".to_owned()),
        iam_role: None,
        raw_output_data_prefix: Some("s3://bucket/out".to_owned()),
    };
    let mut plan = plan.clone();
    plan.apply(&options).expect("requests are well-formed");
    sound(&plan);
}
