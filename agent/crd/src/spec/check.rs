//! The hub's own check of a spec, by the rules of the CRD: an agent may send what no API
//! server has seen.

use std::{collections::HashMap, sync::LazyLock};

use regex::Regex;

use super::{ActivateLaunchPlans, FlyteRegistrationSpec, LaunchPlans};
use crate::{
    parse_go_duration,
    rules::{self, Rule},
};

/// A field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecProblem {
    /// The field, as in `spec.workflowVersion`.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl std::fmt::Display for SpecProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl FlyteRegistrationSpec {
    /// Every rule that this spec breaks; empty when it is good.
    pub fn check(&self) -> Vec<SpecProblem> {
        let mut problems = Vec::new();
        let mut text = |field, value: Option<&String>, rule| {
            if let Some(value) = value {
                problems.extend(broken(field, value, rule));
            }
        };
        text(
            "spec.workflowProject",
            Some(&self.workflow_project),
            &rules::ID,
        );
        text(
            "spec.workflowDomain",
            Some(&self.workflow_domain),
            &rules::ID,
        );
        text(
            "spec.workflowVersion",
            Some(&self.workflow_version),
            &rules::WORKFLOW_VERSION,
        );
        text(
            "spec.workflowPackageUri",
            Some(&self.workflow_package_uri),
            &rules::PACKAGE_URI,
        );
        text(
            "spec.workflowName",
            self.workflow_name.as_ref(),
            &rules::ENTITY_NAME,
        );
        text("spec.digest", self.digest.as_ref(), &rules::DIGEST);
        text(
            "spec.serviceAccount",
            self.service_account.as_ref(),
            &rules::SERVICE_ACCOUNT,
        );
        text("spec.iamRole", self.iam_role.as_ref(), &rules::IAM_ROLE);
        text(
            "spec.rawOutputDataPrefix",
            self.raw_output_data_prefix.as_ref(),
            &rules::RAW_OUTPUT_DATA_PREFIX,
        );
        text("spec.interval", self.interval.as_ref(), &rules::INTERVAL);
        problems.extend(self.short_interval());
        problems.extend(self.differing_digests());
        if let Some(launch_plans) = &self.launch_plans {
            problems.extend(launch_plans.check());
        }
        problems
    }

    fn short_interval(&self) -> Option<SpecProblem> {
        // What breaks the pattern is reported already; what is left may still overflow.
        let interval = self
            .interval
            .as_ref()
            .filter(|it| compiled(&rules::INTERVAL).is_match(it))?;
        let long_enough = parse_go_duration(interval).is_ok_and(|it| it >= rules::INTERVAL_MIN);
        (!long_enough).then(|| problem("spec.interval", rules::INTERVAL.message))
    }

    fn differing_digests(&self) -> Option<SpecProblem> {
        let (_, in_uri) = self.workflow_package_uri.split_once('@')?;
        let digest = self.digest.as_ref()?;
        (in_uri.starts_with("sha256:") && in_uri != digest)
            .then(|| problem("spec.digest", rules::DIGESTS_AGREE))
    }
}

impl LaunchPlans {
    fn check(&self) -> Vec<SpecProblem> {
        let mut problems = Vec::new();
        let named = self.activate == Some(ActivateLaunchPlans::Named);
        if named == self.names.is_empty() {
            problems.push(problem("spec.launchPlans", rules::NAMES_GO_WITH_NAMED));
        }
        if self.names.len() > rules::LAUNCH_PLAN_NAMES_MAX {
            let message = format!("must have at most {} items", rules::LAUNCH_PLAN_NAMES_MAX);
            problems.push(SpecProblem {
                field: "spec.launchPlans.names",
                message,
            });
        }
        let too_long =
            |name: &String| name.chars().count() > rules::ENTITY_NAME.max_length as usize;
        if self.names.iter().any(too_long) {
            problems.push(problem(
                "spec.launchPlans.names",
                "one of the names is too long",
            ));
        }
        problems
    }
}

fn problem(field: &'static str, message: &str) -> SpecProblem {
    SpecProblem {
        field,
        message: message.to_owned(),
    }
}

fn broken(field: &'static str, value: &str, rule: &Rule) -> Option<SpecProblem> {
    rule.broken_by(value)
        .map(|message| SpecProblem { field, message })
}

impl Rule {
    /// What is wrong with `value`, if it breaks the rule.
    pub fn broken_by(&self, value: &str) -> Option<String> {
        if value.chars().count() > self.max_length as usize {
            return Some(format!(
                "must be at most {} characters long",
                self.max_length
            ));
        }
        (!compiled(self).is_match(value)).then(|| self.message.to_owned())
    }
}

#[expect(
    clippy::expect_used,
    reason = "the patterns are constants, and tests compile them all"
)]
fn compiled(rule: &Rule) -> &'static Regex {
    static COMPILED: LazyLock<HashMap<&'static str, Regex>> = LazyLock::new(|| {
        [
            &rules::ID,
            &rules::WORKFLOW_VERSION,
            &rules::PACKAGE_URI,
            &rules::DIGEST,
            &rules::ENTITY_NAME,
            &rules::SERVICE_ACCOUNT,
            &rules::IAM_ROLE,
            &rules::RAW_OUTPUT_DATA_PREFIX,
            &rules::INTERVAL,
        ]
        .into_iter()
        .map(|rule| {
            (
                rule.pattern,
                Regex::new(rule.pattern).expect("a pattern of ours"),
            )
        })
        .collect()
    });
    &COMPILED[rule.pattern]
}
