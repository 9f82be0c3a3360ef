use super::*;

mod overlaps;
mod reference;

fn globs(patterns: &[&str]) -> Vec<Glob> {
    patterns
        .iter()
        .map(|pattern| Glob::try_from((*pattern).to_owned()).unwrap())
        .collect()
}

fn patterns(patterns: &[&str]) -> Vec<NamespacePattern> {
    let parsed = patterns
        .iter()
        .map(|pattern| (*pattern).to_owned().try_into());
    parsed.collect::<Result<_, _>>().unwrap()
}

fn tenant(clusters: &[&str], namespaces: &[&str], projects: &[&str], domains: &[&str]) -> Tenant {
    Tenant {
        clusters: globs(clusters),
        namespaces: patterns(namespaces),
        namespace_selector: LabelSelector::default(),
        flyte_admin: "main".to_owned(),
        auth: None,
        projects: globs(projects),
        domains: globs(domains),
        sources: vec!["registry".to_owned()],
        default_source: None,
        package_prefixes: None,
        signatures: None,
        require_digest: false,
        images: globs(&["*"]),
        service_accounts: Vec::new(),
        iam_roles: Vec::new(),
        raw_output_data_prefixes: Vec::new(),
        privileged: false,
        host_namespaces: false,
        host_paths: Vec::new(),
        activate_launch_plans: false,
        create_projects: false,
        weight: std::num::NonZeroU32::MIN,
    }
}

fn policy() -> Tenancy {
    Tenancy::new(BTreeMap::from([
        (
            "a-dev".to_owned(),
            tenant(&["east", "west"], &["data-*"], &["etl"], &["development"]),
        ),
        (
            "b-prod".to_owned(),
            tenant(
                &["east"],
                &["data-prod"],
                &["etl", "ml-*"],
                &["development", "production"],
            ),
        ),
    ]))
}

static NO_LABELS: Labels = Labels::new();

fn ask<'a>(
    cluster: &'a str,
    namespace: &'a str,
    project: &'a str,
    domain: &'a str,
) -> Question<'a> {
    Question {
        cluster,
        namespace,
        labels: &NO_LABELS,
        project,
        domain,
    }
}

#[test]
fn what_matches_nothing_is_denied() {
    let none = Tenancy::default()
        .decide(ask("east", "data-dev", "etl", "development"))
        .unwrap_err();
    assert_eq!(
        none.to_string(),
        "namespace data-dev of cluster east may not register anything"
    );
    let namespace = policy()
        .decide(ask("east", "other", "etl", "development"))
        .unwrap_err();
    assert_eq!(namespace.rule, "tenants");
    let cluster = policy()
        .decide(ask("north", "data-dev", "etl", "development"))
        .unwrap_err();
    assert_eq!(cluster.rule, "tenants");
}

#[test]
fn denial_names_the_part_that_did_not_match() {
    let project = policy()
        .decide(ask("west", "data-dev", "ml-x", "development"))
        .unwrap_err();
    assert_eq!(
        project.to_string(),
        "namespace data-dev may not register into project ml-x"
    );
    assert_eq!(project.rule, "tenants.a-dev.projects");
    let domain = policy()
        .decide(ask("west", "data-dev", "etl", "production"))
        .unwrap_err();
    assert_eq!(
        domain.to_string(),
        "namespace data-dev may not register into domain production of project etl"
    );
    assert_eq!(domain.rule, "tenants.a-dev.domains");
}

#[test]
fn parts_of_different_tenants_do_not_add_up() {
    // data-prod of west has a-dev only, whose domain is development.
    assert!(
        policy()
            .decide(ask("west", "data-prod", "etl", "production"))
            .is_err()
    );
    assert!(
        policy()
            .decide(ask("west", "data-prod", "ml-x", "development"))
            .is_err()
    );
}

#[test]
fn globs_match_whole_names() {
    let glob = Glob::try_from("data-*".to_owned()).unwrap();
    assert!(glob.matches("data-dev"));
    assert!(!glob.matches("my-data-dev"));
    assert!(!glob.matches("data"));
    assert!(Glob::try_from("data-[".to_owned()).is_err());
}

#[test]
fn extras_are_denied_unless_a_tenant_lists_them() {
    let generous = Tenant {
        service_accounts: globs(&["etl-*"]),
        iam_roles: globs(&["arn:aws:iam::1:role/etl/*"]),
        raw_output_data_prefixes: globs(&["s3://acme/etl/*"]),
        activate_launch_plans: true,
        create_projects: false,
        ..tenant(&["east"], &["data"], &["etl"], &["development"])
    };
    let mean = tenant(&["east"], &["data"], &["etl"], &["development"]);
    let (generous, mean) = (Terms::of("generous", &generous), Terms::of("mean", &mean));
    let account = |name| Extras {
        service_account: Some(name),
        ..Extras::default()
    };
    let role = |name| Extras {
        iam_role: Some(name),
        ..Extras::default()
    };
    let prefix = |name| Extras {
        raw_output_data_prefix: Some(name),
        ..Extras::default()
    };
    let activate = Extras {
        activate: true,
        ..Extras::default()
    };
    let allowed = [
        account("etl-runner"),
        role("arn:aws:iam::1:role/etl/a"),
        prefix("s3://acme/etl/raw"),
        activate,
    ];
    for extras in allowed {
        assert_eq!(generous.permit("data", extras), Ok(()));
        assert!(mean.permit("data", extras).is_err(), "{extras:?}");
        assert_eq!(mean.permit("data", Extras::default()), Ok(()));
    }
    let refused = |extras| {
        let refusal = generous.permit("data", extras).unwrap_err();
        assert!(refusal.rule.starts_with("tenants.generous."));
        refusal.to_string()
    };
    assert_eq!(
        refused(account("root")),
        "namespace data may not use the service account root"
    );
    assert_eq!(
        refused(role("arn:aws:iam::1:role/admin")),
        "namespace data may not use the IAM role arn:aws:iam::1:role/admin"
    );
    for odd in [
        "s3://acme/other",
        "s3://acme/etl/../other",
        "s3://acme/etl/%2e%2e/other",
    ] {
        assert_eq!(
            refused(prefix(odd)),
            format!("namespace data may not put raw output into {odd}")
        );
    }
}

#[test]
fn projects_are_created_only_where_the_tenant_says_so() {
    for create in [false, true] {
        let tenant = Tenant {
            create_projects: create,
            ..tenant(&["east"], &["data"], &["etl"], &["development"])
        };
        let tenancy = Tenancy::new([("a".to_owned(), tenant)].into());
        let grant = tenancy.decide(ask("east", "data", "etl", "development"));
        assert_eq!(grant.unwrap().create_project, create);
    }
}
