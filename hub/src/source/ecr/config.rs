use serde::{Deserialize, Serialize};

use crate::source::config::{BaseUrl, Problem};

/// Access to a private registry of ECR, with tokens that AWS gives for the hub's own identity:
/// what the environment, a web identity (IRSA), the container or the instance says, in this order,
/// as in all SDKs of AWS.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct EcrConfig {
    /// ARN of a role to take for this source, such as one of the registry's account.
    pub role_arn: Option<String>,
    /// What that role's trust policy may ask for, to know on whose behalf it is taken.
    pub external_id: Option<String>,
    /// What the session is called in the role's account.
    pub session_name: Option<String>,
    /// URL of ECR's API, where it is not the region's own.
    pub endpoint: Option<BaseUrl>,
    /// URL of STS for `roleArn`, where it is not the region's own.
    pub sts_endpoint: Option<BaseUrl>,
}

impl EcrConfig {
    /// What is wrong with it beyond the form of single values.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let without_role = self.role_arn.is_none();
        let means_nothing = "means nothing without ecr.roleArn";
        let checks = [
            (
                self.role_arn
                    .as_ref()
                    .is_some_and(|arn| !(arn.starts_with("arn:") && arn.contains(":role/"))),
                "ecr.roleArn",
                "must be as arn:aws:iam::<account>:role/<name>",
            ),
            (
                without_role && self.external_id.is_some(),
                "ecr.externalId",
                means_nothing,
            ),
            (
                without_role && self.session_name.is_some(),
                "ecr.sessionName",
                means_nothing,
            ),
            (
                without_role && self.sts_endpoint.is_some(),
                "ecr.stsEndpoint",
                means_nothing,
            ),
            (
                !self.session_name.as_deref().is_none_or(is_session_name),
                "ecr.sessionName",
                "must be 2 to 64 letters, digits or _+=,.@-",
            ),
        ];
        let wrong = checks.into_iter().filter(|(wrong, ..)| *wrong);
        wrong.map(|(_, key, message)| (key, message)).collect()
    }
}

/// The reference of STS' `AssumeRole`, `RoleSessionName`.
fn is_session_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    (2..=64).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceConfig;

    #[test]
    fn contradictions() {
        let keys = |json: &str| {
            let config: EcrConfig = serde_json::from_str(json).unwrap();
            let problems = config.problems().into_iter();
            problems.map(|(key, _)| key).collect::<Vec<_>>()
        };
        let role = r#""roleArn": "arn:aws-cn:iam::123456789012:role/team/puller""#;
        assert!(keys("{}").is_empty());
        assert!(
            keys(&format!(
                r#"{{{role}, "externalId": "x", "sessionName": "hub", "stsEndpoint": "https://sts.example"}}"#
            ))
            .is_empty()
        );
        assert_eq!(keys(r#"{"roleArn": "puller"}"#), ["ecr.roleArn"]);
        assert_eq!(keys(r#"{"externalId": "x"}"#), ["ecr.externalId"]);
        assert_eq!(
            keys(&format!(r#"{{{role}, "sessionName": "a b"}}"#)),
            ["ecr.sessionName"]
        );
        for unreadable in [r#"{"region": "eu-west-1"}"#, r#"{"endpoint": "ftp://x/"}"#] {
            assert!(serde_json::from_str::<EcrConfig>(unreadable).is_err());
        }
    }

    #[test]
    fn ecr_is_for_its_registries_alone() {
        let keys = |json: &str| {
            let config: SourceConfig = serde_json::from_str(json).unwrap();
            let problems = config.problems().into_iter();
            problems.map(|(key, _)| key).collect::<Vec<_>>()
        };
        let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        for (more, expected) in [
            ("", vec![]),
            (r#", "tokenFile": "/t""#, vec!["ecr"]),
            (r#", "ecr": {"externalId": "x"}"#, vec!["ecr.externalId"]),
        ] {
            let ecr = if more.contains("ecr") {
                ""
            } else {
                r#", "ecr": {}"#
            };
            let json = format!(r#"{{"kind": "oci", "registry": "{host}/flyte"{ecr}{more}}}"#);
            assert_eq!(keys(&json), expected, "{json}");
        }
        assert_eq!(
            keys(r#"{"kind": "oci", "registry": "ghcr.io", "ecr": {}}"#),
            ["ecr"]
        );
        assert_eq!(
            keys(r#"{"kind": "http", "url": "https://h", "ecr": {}}"#),
            ["ecr"]
        );
    }
}
