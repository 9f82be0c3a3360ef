//! The sample resources are good ones.

use std::{env, fs, path::Path};

use flyte_registration_crd::FlyteRegistrationSpec;
use serde_json::Value;

#[test]
fn samples_keep_the_rules() {
    let directory =
        Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../config/samples");
    let mut samples = 0;
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let object: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(
            (&object["apiVersion"], &object["kind"]),
            (&"flyte.backend/v1".into(), &"FlyteRegistration".into())
        );
        let spec = FlyteRegistrationSpec::read(object["spec"].clone()).unwrap();
        assert_eq!(spec.check(), [], "{}", path.display());
        samples += 1;
    }
    assert!(samples >= 2);
}
