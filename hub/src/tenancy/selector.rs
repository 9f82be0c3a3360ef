//! Label selectors, as Kubernetes writes them.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;

/// Labels of a namespace.
pub type Labels = BTreeMap<String, String>;

/// Kubernetes' `LabelSelector`: all of it must match. An empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct LabelSelector {
    /// Labels with these values.
    pub match_labels: Labels,
    /// More about labels.
    pub match_expressions: Vec<Requirement>,
}

/// Kubernetes' `LabelSelectorRequirement`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requirement {
    /// Of this label.
    pub key: String,
    /// What is required.
    pub operator: Operator,
    /// The values of `In` and `NotIn`.
    #[serde(default)]
    pub values: Vec<String>,
}

/// What is required of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Operator {
    /// It has one of the values.
    In,
    /// It has none of the values, or is not there.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether it matches `labels`.
    pub fn matches(&self, labels: &Labels) -> bool {
        let equal = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        self.match_labels.iter().all(equal)
            && self
                .match_expressions
                .iter()
                .all(|requirement| requirement.is_met(labels))
    }

    /// What is wrong with it, as Kubernetes has it.
    pub fn problem(&self) -> Option<String> {
        self.match_expressions.iter().find_map(|requirement| {
            let key = &requirement.key;
            match (requirement.operator, requirement.values.is_empty()) {
                (Operator::In | Operator::NotIn, true) => {
                    Some(format!("{key}: In and NotIn need values"))
                }
                (Operator::Exists | Operator::DoesNotExist, false) => {
                    Some(format!("{key}: Exists and DoesNotExist take no values"))
                }
                _ => None,
            }
        })
    }

    /// Whether no labels match both, as far as `matchLabels` tell.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        let differs = |(key, value): (&String, &String)| {
            let labels = Labels::from([(key.clone(), value.clone())]);
            let of_key = |requirement: &&Requirement| requirement.key == *key;
            other.match_labels.get(key).is_some_and(|it| it != value)
                || other
                    .match_expressions
                    .iter()
                    .filter(of_key)
                    .any(|requirement| !requirement.is_met(&labels))
        };
        self.match_labels.iter().any(differs)
    }
}

impl Requirement {
    fn is_met(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            Operator::In => listed,
            Operator::NotIn => !listed,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl fmt::Display for LabelSelector {
    /// As kubectl's `--selector`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equal = self
            .match_labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let more = self.match_expressions.iter().map(|requirement| {
            let Requirement { key, values, .. } = requirement;
            let values = values.join(",");
            match requirement.operator {
                Operator::In => format!("{key} in ({values})"),
                Operator::NotIn => format!("{key} notin ({values})"),
                Operator::Exists => key.clone(),
                Operator::DoesNotExist => format!("!{key}"),
            }
        });
        f.write_str(&equal.chain(more).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn selector(value: Value) -> LabelSelector {
        serde_json::from_value(value).unwrap()
    }

    fn labels(labels: &[(&str, &str)]) -> Labels {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        labels.iter().map(owned).collect()
    }

    #[test]
    fn it_matches_as_in_kubernetes() {
        let expression = |operator: &str, values: &[&str]| {
            selector(
                json!({"matchExpressions": [{"key": "team", "operator": operator, "values": values}]}),
            )
        };
        let (data, other, none) = (
            labels(&[("team", "data"), ("tier", "1")]),
            labels(&[("team", "other")]),
            labels(&[]),
        );
        for (selector, expected) in [
            (selector(json!({})), [true, true, true]),
            (
                selector(json!({"matchLabels": {"team": "data"}})),
                [true, false, false],
            ),
            (
                selector(json!({"matchLabels": {"team": "data", "tier": "2"}})),
                [false; 3],
            ),
            (expression("In", &["data", "ml"]), [true, false, false]),
            (expression("NotIn", &["data"]), [false, true, true]),
            (expression("Exists", &[]), [true, true, false]),
            (expression("DoesNotExist", &[]), [false, false, true]),
        ] {
            let found = [&data, &other, &none].map(|labels| selector.matches(labels));
            assert_eq!(found, expected, "{selector}");
        }
    }

    #[test]
    fn what_kubernetes_would_refuse_is_a_problem() {
        for (operator, values, good) in [
            ("In", json!(["a"]), true),
            ("NotIn", json!([]), false),
            ("Exists", json!([]), true),
            ("DoesNotExist", json!(["a"]), false),
        ] {
            let expression = json!({"key": "a", "operator": operator, "values": values});
            let selector = selector(json!({"matchExpressions": [expression]}));
            assert_eq!(selector.problem().is_none(), good, "{selector}");
        }
        let unknown = json!({"matchExpressions": [{"key": "a", "operator": "Is"}]});
        assert!(serde_json::from_value::<LabelSelector>(unknown).is_err());
    }

    #[test]
    fn selectors_that_exclude_each_other_are_known() {
        let data = selector(json!({"matchLabels": {"team": "data"}}));
        let ml = selector(json!({"matchLabels": {"team": "ml"}}));
        let not_data = selector(
            json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["data"]}]}),
        );
        assert!(data.excludes(&ml) && data.excludes(&not_data));
        assert!(!data.excludes(&data) && !data.excludes(&LabelSelector::default()));
    }
}
