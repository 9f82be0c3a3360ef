//! The engine against a reference so simple that it can be read at a glance: it tries all
//! projects and domains there can be, fills templates in by replacing text, and compares.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

#[derive(Clone, Debug)]
struct Plain {
    clusters: Vec<String>,
    namespaces: Vec<String>,
    team: Option<String>,
    projects: Vec<String>,
    domains: Vec<String>,
}

#[derive(Clone, Debug)]
struct Asked {
    cluster: String,
    namespace: String,
    team: Option<String>,
    project: String,
    domain: String,
}

const NAMESPACES: [&str; 12] = [
    "*",
    "a-*",
    "a-b",
    "b?a",
    "{a,b}-a",
    "x-{project}-{domain}",
    "{project}-{domain}",
    "{domain}-{project}",
    "a-{project}",
    "{domain}-b",
    "{appid}-{project}",
    "{app:[ab]+}-{domain}",
];
const NAMES: [&str; 8] = ["a", "b", "a-b", "b-a", "a-a-b", "ab", "x", "b-a-b"];

fn plain() -> impl Strategy<Value = Plain> {
    let one_of = |all: &'static [&'static str]| select(all).prop_map(str::to_owned);
    (
        vec(one_of(&["east", "*", "w*"]), 1..3),
        vec(one_of(&NAMESPACES), 1..4),
        select(&[None, Some("a"), Some("b")][..]).prop_map(|team| team.map(str::to_owned)),
        vec(one_of(&["*", "a", "a*", "*b", "b-a"]), 1..3),
        vec(one_of(&["*", "b", "a", "?-*", "{a,x}"]), 1..3),
    )
        .prop_map(|(clusters, namespaces, team, projects, domains)| Plain {
            clusters,
            namespaces,
            team,
            projects,
            domains,
        })
}

fn asked() -> impl Strategy<Value = Asked> {
    let name = || select(&NAMES[..]).prop_map(str::to_owned);
    let joined = (name(), name(), name()).prop_map(|(a, b, c)| {
        [
            a.clone(),
            format!("{a}-{b}"),
            format!("x-{a}-{b}"),
            format!("{a}-{b}-{c}"),
        ]
    });
    (
        select(&["east", "west"][..]).prop_map(str::to_owned),
        (joined, 0_usize..4).prop_map(|(all, at)| all[at].clone()),
        select(&[None, Some("a"), Some("b")][..]).prop_map(|team| team.map(str::to_owned)),
        name(),
        name(),
    )
        .prop_map(|(cluster, namespace, team, project, domain)| Asked {
            cluster,
            namespace,
            team,
            project,
            domain,
        })
}

fn matches(globs: &[String], text: &str) -> bool {
    globs
        .iter()
        .any(|glob| Glob::try_from(glob.clone()).unwrap().matches(text))
}

fn is_template(pattern: &str) -> bool {
    ["{project}", "{domain}", "{app"]
        .iter()
        .any(|name| pattern.contains(name))
}

/// All that could stand in the namespace's name: parts of it that begin and end as names do.
fn parts(namespace: &str) -> Vec<&str> {
    let ends = |begin: usize| (begin + 1..=namespace.len()).map(move |end| &namespace[begin..end]);
    let mut parts: Vec<_> = (0..namespace.len()).flat_map(ends).collect();
    parts.retain(|part| !part.starts_with('-') && !part.ends_with('-'));
    parts.sort_unstable();
    parts.dedup();
    parts
}

fn renders(template: &str, namespace: &str, project: &str, domain: &str) -> bool {
    let filled = template
        .replace("{project}", project)
        .replace("{domain}", domain);
    let free = |value: &str| {
        filled
            .replace("{appid}", value)
            .replace("{app:[ab]+}", value)
    };
    let fits = |value: &&str| {
        !value.contains('-') && (!template.contains(":[ab]+") || !value.contains('x'))
    };
    let mut values = parts(namespace).into_iter().filter(fits);
    filled == namespace || values.any(|value| free(value) == namespace)
}

/// Who allows it, or nobody.
fn reference(tenants: &[Plain], asked: &Asked) -> Option<usize> {
    let Asked {
        cluster,
        namespace,
        project,
        domain,
        ..
    } = asked;
    let covers = |tenant: &Plain| {
        matches(&tenant.clusters, cluster) && (tenant.team.is_none() || tenant.team == asked.team)
    };
    let lists = |tenant: &Plain| {
        let mut globs = tenant
            .namespaces
            .iter()
            .filter(|pattern| !is_template(pattern));
        globs.any(|glob| matches(std::slice::from_ref(glob), namespace))
    };
    let allows = |tenant: &Plain, project: &str, domain: &str| {
        covers(tenant) && matches(&tenant.projects, project) && matches(&tenant.domains, domain)
    };
    let templates = |tenant: &Plain| -> Vec<String> {
        tenant
            .namespaces
            .iter()
            .filter(|pattern| is_template(pattern))
            .cloned()
            .collect()
    };
    let names = |tenant: &Plain, project: &str, domain: &str| {
        templates(tenant)
            .iter()
            .any(|template| renders(template, namespace, project, domain))
    };
    let allowing: Vec<usize> = (0..tenants.len())
        .filter(|at| {
            let tenant = &tenants[*at];
            allows(tenant, project, domain) && (lists(tenant) || names(tenant, project, domain))
        })
        .collect();
    let [only] = allowing[..] else {
        return None;
    };
    if lists(&tenants[only]) {
        return Some(only);
    }
    // Is there any other project or domain that a template of anybody makes this name of?
    let candidates = parts(namespace);
    for tenant in tenants.iter().filter(|tenant| covers(tenant)) {
        for template in templates(tenant) {
            let (has_project, has_domain) = (
                template.contains("{project}"),
                template.contains("{domain}"),
            );
            for other_project in &candidates {
                for other_domain in &candidates {
                    let differs = (has_project && other_project != project)
                        || (has_domain && other_domain != domain);
                    let theirs = (!has_project || matches(&tenant.projects, other_project))
                        && (!has_domain || matches(&tenant.domains, other_domain));
                    if differs
                        && theirs
                        && renders(&template, namespace, other_project, other_domain)
                    {
                        return None;
                    }
                }
            }
        }
    }
    Some(only)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_engine_decides_as_the_reference_does(
        tenants in vec(plain(), 1..4), asked in vec(asked(), 1..4),
    ) {
        let named = tenants.iter().enumerate().map(|(at, plain)| {
            let texts = |texts: &[String]| -> Vec<Glob> {
                texts.iter().map(|text| Glob::try_from(text.clone()).unwrap()).collect()
            };
            let namespaces: Vec<&str> = plain.namespaces.iter().map(String::as_str).collect();
            let team = plain.team.iter().map(|team| ("team".to_owned(), team.clone()));
            let tenant = Tenant {
                clusters: texts(&plain.clusters),
                projects: texts(&plain.projects),
                domains: texts(&plain.domains),
                namespace_selector: LabelSelector {
                    match_labels: team.collect(),
                    ..LabelSelector::default()
                },
                ..tenant(&[], &namespaces, &[], &[])
            };
            (at.to_string(), tenant)
        });
        let tenancy = Tenancy::new(named.collect());
        for asked in asked {
            let team = asked.team.iter().map(|team| ("team".to_owned(), team.clone()));
            let labels: Labels = team.collect();
            let decided = tenancy.decide(Question {
                labels: &labels,
                ..ask(&asked.cluster, &asked.namespace, &asked.project, &asked.domain)
            });
            let expected = reference(&tenants, &asked).map(|at| at.to_string());
            let found = decided.as_ref().map(|grant| grant.tenant.clone()).ok();
            prop_assert_eq!(found, expected, "{:?} {:?}", asked, decided);
        }
    }
}
