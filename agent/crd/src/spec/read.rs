//! Reading a spec, so that whoever wrote a wrong one learns which field it is.

use serde_json::Value;

use super::FlyteRegistrationSpec;

impl FlyteRegistrationSpec {
    /// Reads a spec. The error names the field, as in `spec.launchPlans.activate`.
    ///
    /// It says nothing about the rules of the fields: see [`Self::check`].
    pub fn read(value: Value) -> Result<Self, String> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let path = error.path().to_string();
            match path.as_str() {
                // An unknown or a missing field: the message itself names it.
                "." => format!("spec: {}", error.inner()),
                path => format!("spec.{path}: {}", error.inner()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(mut more: Value) -> String {
        let mut spec = json!({
            "workflowProject": "p", "workflowDomain": "d", "workflowVersion": "1", "workflowPackageUri": "a/b"
        });
        spec.as_object_mut()
            .unwrap()
            .append(more.as_object_mut().unwrap());
        FlyteRegistrationSpec::read(spec).unwrap_err()
    }

    #[test]
    fn errors_name_the_field() {
        assert!(
            error(json!({"launchPlans": {"activate": "Some"}}))
                .starts_with("spec.launchPlans.activate: unknown variant")
        );
        assert!(error(json!({"suspend": 1})).starts_with("spec.suspend: invalid type"));
        assert!(error(json!({"foo": 1})).contains("unknown field `foo`"));
        assert!(
            FlyteRegistrationSpec::read(json!("x"))
                .unwrap_err()
                .starts_with("spec: invalid type")
        );
    }
}
