//! Reading and checking a resource's spec.

use flyte_registration_crd::FlyteRegistrationSpec;

/// The input as the JSON of a spec. One without problems reads the same after it was written.
pub fn run(data: &[u8]) {
    let Ok(value) = serde_json::from_slice(data) else {
        return;
    };
    let Ok(spec) = FlyteRegistrationSpec::read(value) else {
        return;
    };
    if !spec.check().is_empty() {
        return;
    }
    // What FlyteAdmin mixes up, or takes for anything.
    for part in [
        &spec.workflow_project,
        &spec.workflow_domain,
        &spec.workflow_version,
    ] {
        assert!(!part.is_empty() && !part.contains(['?', '#', '%', '/', '\0', ' ']));
    }
    assert_ne!(spec.workflow_version, "..");
    let written = serde_json::to_value(&spec).expect("a spec is JSON");
    let again = FlyteRegistrationSpec::read(written).expect("what was written can be read");
    assert_eq!(again, spec);
}
