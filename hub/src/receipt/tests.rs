use proptest::prelude::*;

use super::*;

fn payload() -> Payload {
    Payload {
        flyte_admin: "main".to_owned(),
        epoch: "1".to_owned(),
        package: Package {
            uri: "oci://r/p:1".to_owned(),
            digest: "sha256:00".to_owned(),
            ..Package::default()
        },
        counts: Counts {
            tasks: 3,
            ..Counts::default()
        },
        activations: vec![Activated {
            name: "etl.nightly".to_owned(),
            before: Some("v1".to_owned()),
        }],
        started_at: "2026-11-21T10:00:00Z".to_owned(),
        completed_at: "2026-11-21T10:00:01Z".to_owned(),
        attempts: 1,
        request: None,
        terms: "t".to_owned(),
        found: None,
        status_hash: "ab".to_owned(),
    }
}

fn subject(spec_sha256: &[u8; 32]) -> Subject<'_> {
    Subject {
        cluster: "east",
        uid: "u-1",
        generation: 3,
        spec_sha256,
    }
}

#[test]
fn its_own_receipt_is_believed() {
    let key = Key::new(&[7; 32]);
    let receipt = key.issue(subject(&[1; 32]), &payload());
    assert_eq!(key.verify(subject(&[1; 32]), &receipt), Some(payload()));
}

#[test]
fn a_receipt_answers_for_nothing_else() {
    let key = Key::new(&[7; 32]);
    let spec = [1; 32];
    let receipt = key.issue(subject(&spec), &payload());
    let own = subject(&spec);
    assert_eq!(
        key.verify(
            Subject {
                cluster: "west",
                ..own
            },
            &receipt
        ),
        None
    );
    assert_eq!(key.verify(Subject { uid: "u-2", ..own }, &receipt), None);
    assert_eq!(
        key.verify(
            Subject {
                generation: 4,
                ..own
            },
            &receipt
        ),
        None
    );
    assert_eq!(key.verify(subject(&[2; 32]), &receipt), None);
    assert_eq!(Key::new(&[8; 32]).verify(own, &receipt), None);
    let forged = Payload {
        flyte_admin: "other".to_owned(),
        ..payload()
    };
    let tag = receipt.rsplit_once('.').unwrap().1;
    let forged = format!(
        "v1.{}.{tag}",
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&forged).unwrap())
    );
    assert_eq!(key.verify(own, &forged), None);
}

#[test]
fn the_key_file_is_made_once_and_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/receipt.key");
    let first = Key::load_or_create(&path).unwrap();
    let again = Key::load_or_create(&path).unwrap();
    let receipt = first.issue(subject(&[1; 32]), &payload());
    assert!(again.verify(subject(&[1; 32]), &receipt).is_some());
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    fs::write(&path, "short").unwrap();
    assert!(matches!(
        Key::load_or_create(&path),
        Err(KeyError::Damaged { .. })
    ));
}

proptest! {
    #[test]
    fn garbage_is_not_believed(text in "(v1\\.)?[A-Za-z0-9_.-]{0,200}") {
        prop_assert_eq!(Key::new(&[7; 32]).verify(subject(&[1; 32]), &text), None);
    }
}
