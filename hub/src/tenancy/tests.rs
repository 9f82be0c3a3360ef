use super::*;

fn globs(patterns: &[&str]) -> Vec<Glob> {
    patterns
        .iter()
        .map(|pattern| Glob::try_from((*pattern).to_owned()).unwrap())
        .collect()
}

fn tenant(clusters: &[&str], namespaces: &[&str], projects: &[&str], domains: &[&str]) -> Tenant {
    Tenant {
        clusters: globs(clusters),
        namespaces: globs(namespaces),
        flyte_admin: "main".to_owned(),
        projects: globs(projects),
        domains: globs(domains),
        sources: vec!["registry".to_owned()],
        default_source: None,
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

fn ask<'a>(
    cluster: &'a str,
    namespace: &'a str,
    project: &'a str,
    domain: &'a str,
) -> Question<'a> {
    Question {
        cluster,
        namespace,
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
    assert!(matches!(namespace, Denial::Namespace { .. }));
    let cluster = policy()
        .decide(ask("north", "data-dev", "etl", "development"))
        .unwrap_err();
    assert!(matches!(cluster, Denial::Namespace { .. }));
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
    let domain = policy()
        .decide(ask("west", "data-dev", "etl", "production"))
        .unwrap_err();
    assert_eq!(
        domain.to_string(),
        "namespace data-dev may not register into domain production of project etl"
    );
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
fn first_tenant_by_name_decides_an_overlap() {
    let grant = policy()
        .decide(ask("east", "data-prod", "etl", "development"))
        .unwrap();
    assert_eq!(grant.tenant, "a-dev");
    let grant = policy()
        .decide(ask("east", "data-prod", "etl", "production"))
        .unwrap();
    assert_eq!(grant.tenant, "b-prod");
}

#[test]
fn globs_match_whole_names() {
    let glob = Glob::try_from("data-*".to_owned()).unwrap();
    assert!(glob.matches("data-dev"));
    assert!(!glob.matches("my-data-dev"));
    assert!(!glob.matches("data"));
    assert!(Glob::try_from("data-[".to_owned()).is_err());
}
