//! Several tenants, several readings.

use super::*;

fn named<const N: usize>(tenants: [Tenant; N]) -> Tenancy {
    let names = ["a", "b", "c"].map(str::to_owned);
    Tenancy::new(names.into_iter().zip(tenants).collect())
}

#[test]
fn what_several_tenants_allow_is_denied() {
    let tenancy = policy();
    let denial = tenancy
        .decide(ask("east", "data-prod", "etl", "development"))
        .unwrap_err();
    assert_eq!(denial.rule, "tenants.a-dev,tenants.b-prod");
    assert!(!denial.message.contains("a-dev"), "{denial}");
    // What but one of them allows stays allowed.
    let grant = tenancy
        .decide(ask("east", "data-prod", "etl", "production"))
        .unwrap();
    assert_eq!((&*grant.tenant, &*grant.rule), ("b-prod", "tenants.b-prod"));
    let warnings = tenancy.warnings(&["east", "west"]);
    assert_eq!(
        warnings,
        ["tenants.a-dev and tenants.b-prod may allow the same registration, which is denied then"]
    );
    assert!(
        tenancy.warnings(&["west"]).is_empty(),
        "b-prod has nothing there"
    );
}

#[test]
fn a_selector_keeps_tenants_apart() {
    let with_team = |team: &str| Tenant {
        namespace_selector: LabelSelector {
            match_labels: [("team".to_owned(), team.to_owned())].into(),
            ..LabelSelector::default()
        },
        ..tenant(&["*"], &["*"], &["*"], &["*"])
    };
    let tenancy = named([with_team("data"), with_team("ml")]);
    assert!(tenancy.warnings(&["east"]).is_empty());
    let labels = Labels::from([("team".to_owned(), "ml".to_owned())]);
    let question = ask("east", "any", "p", "d");
    let with_labels = Question {
        labels: &labels,
        ..question
    };
    assert_eq!(tenancy.decide(with_labels).unwrap().tenant, "b");
    assert_eq!(tenancy.decide(question).unwrap_err().rule, "tenants");
}

#[test]
fn a_name_that_stands_for_two_pairs_is_denied() {
    let one = tenant(&["*"], &["{project}-{domain}"], &["*"], &["*"]);
    let tenancy = named([one]);
    for (project, domain) in [("a-b", "c"), ("a", "b-c")] {
        let denial = tenancy
            .decide(ask("east", "a-b-c", project, domain))
            .unwrap_err();
        assert_eq!(denial.rule, "tenants.a.namespaces");
    }
    assert!(tenancy.decide(ask("east", "a-c", "a", "c")).is_ok());
    assert_eq!(
        tenancy.warnings(&["east"]),
        [
            "tenants.a.namespaces: {project}-{domain} makes x-x-y of project x and domain x-y \
          as well as of project x-x and domain y, which is denied then"
        ]
    );
    // Nobody is in doubt where the other pair is nobody's.
    let bounded = tenant(&["*"], &["{project}-{domain}"], &["*"], &["c", "d"]);
    let tenancy = named([bounded]);
    assert!(tenancy.decide(ask("east", "a-b-c", "a-b", "c")).is_ok());
    assert!(tenancy.decide(ask("east", "a-b-c", "a", "b-c")).is_err());
    assert!(tenancy.warnings(&["east"]).is_empty());
}

#[test]
fn templates_of_two_tenants_may_contradict_each_other() {
    let tenancy = named([
        tenant(&["*"], &["x-{project}-{domain}"], &["*"], &["dev"]),
        tenant(&["*"], &["{project}-{domain}"], &["*"], &["dev"]),
    ]);
    let denial = tenancy
        .decide(ask("east", "x-a-dev", "a", "dev"))
        .unwrap_err();
    assert_eq!(denial.rule, "tenants.b.namespaces");
    assert!(tenancy.decide(ask("east", "y-a-dev", "y-a", "dev")).is_ok());
    let warnings = tenancy.warnings(&["east"]);
    let of = |key: &str| {
        warnings
            .iter()
            .filter(|warning| warning.starts_with(key))
            .count()
    };
    assert_eq!(
        (of("tenants.a.namespaces"), of("tenants.b.namespaces")),
        (1, 1),
        "{warnings:?}"
    );
}

#[test]
fn a_listed_namespace_needs_no_template() {
    let tenancy = named([
        tenant(&["*"], &["a-b-c"], &["p"], &["d"]),
        tenant(&["*"], &["{project}-{domain}"], &["a-b"], &["c"]),
    ]);
    assert_eq!(
        tenancy
            .decide(ask("east", "a-b-c", "p", "d"))
            .unwrap()
            .tenant,
        "a"
    );
    assert_eq!(
        tenancy
            .decide(ask("east", "a-b-c", "a-b", "c"))
            .unwrap()
            .tenant,
        "b"
    );
}

#[test]
fn what_a_template_makes_of_something_else_is_denied() {
    let tenancy = named([tenant(
        &["*"],
        &["flyte-{project}-{domain}"],
        &["*"],
        &["dev", "prod"],
    )]);
    let told = |project, domain| {
        let denial = tenancy.decide(ask("east", "flyte-etl-dev", project, domain));
        let denial = denial.unwrap_err();
        (denial.rule, denial.message)
    };
    let (rule, message) = told("other", "dev");
    assert_eq!(rule, "tenants.a.namespaces");
    assert!(
        message.ends_with("may not register into project other"),
        "{message}"
    );
    let (rule, message) = told("etl", "prod");
    assert_eq!(rule, "tenants.a.namespaces");
    assert!(
        message.ends_with("into domain prod of project etl"),
        "{message}"
    );
    for injected in ["*", ".*", "{project}", "etl-dev", "", "etl-dev-"] {
        assert!(
            tenancy
                .decide(ask("east", "flyte-etl-dev", injected, "dev"))
                .is_err()
        );
    }
}
