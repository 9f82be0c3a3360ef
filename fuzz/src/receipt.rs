//! Receipts that others may have written.

use flyte_registration_crd::{Counts, Package};
use flyte_registration_hub::receipt::{Key, Payload, Subject};

/// The input as a receipt, and a good receipt after changes that the input says: a byte at two
/// bytes' place each.
pub fn run(data: &[u8]) {
    let key = Key::new(&[7; 32]);
    let spec_sha256 = [3; 32];
    let subject = Subject {
        cluster: "east",
        uid: "6b0e",
        generation: 4,
        spec_sha256: &spec_sha256,
    };
    if let Ok(text) = str::from_utf8(data) {
        assert!(key.verify(subject, text).is_none(), "nobody has the key");
    }
    let good = key.issue(subject, &payload());
    let mut changed = good.clone().into_bytes();
    for change in data.as_chunks::<3>().0 {
        let place = usize::from(u16::from_be_bytes([change[0], change[1]])) % changed.len();
        changed[place] ^= change[2];
    }
    if let Ok(changed) = String::from_utf8(changed) {
        let verified = key.verify(subject, &changed).is_some();
        assert_eq!(verified, changed == good);
    }
}

fn payload() -> Payload {
    Payload {
        flyte_admin: "main".to_owned(),
        epoch: "1".to_owned(),
        package: Package {
            uri: "oci://registry.example/etl:v1".to_owned(),
            digest: "sha256:00".to_owned(),
            size: Some(1),
            ..Package::default()
        },
        counts: Counts::default(),
        activations: Vec::new(),
        started_at: "2026-11-21T12:00:00Z".to_owned(),
        completed_at: "2026-11-21T12:00:01Z".to_owned(),
        attempts: 1,
        request: None,
        terms: String::new(),
        found: None,
        status_hash: "00".to_owned(),
    }
}
