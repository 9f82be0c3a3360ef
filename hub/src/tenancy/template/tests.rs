use proptest::prelude::*;

use super::*;

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

#[test]
fn it_is_filled_in_and_compared() {
    let plain = template("103020-flytepoc-{project}-{domain}");
    assert!(plain.renders("103020-flytepoc-etl-development", "etl", "development"));
    assert!(!plain.renders("103020-flytepoc-etl-development", "etl", "production"));
    assert!(!plain.renders("x103020-flytepoc-etl-development", "etl", "development"));
    assert!(!plain.renders("103020-flytepoc-etl-development-x", "etl", "development"));
    let free = template("{appid}-{project}-{domain}");
    assert!(free.renders("103020-etl-dev", "etl", "dev"));
    assert!(
        !free.renders("103-020-etl-dev", "etl", "dev"),
        "a free one has no dash"
    );
    assert!(!free.renders("-etl-dev", "etl", "dev"), "nor is it empty");
    let strict = template("{appid:[0-9]{6}}-{project}");
    assert!(strict.renders("103020-etl", "etl", "any"));
    assert!(!strict.renders("1030201-etl", "etl", "any"));
    assert!(!strict.renders("abcdef-etl", "etl", "any"));
    assert!(template("{project}-x-{project}").renders("a-x-a", "a", "d"));
}

#[test]
fn what_is_asked_for_is_never_a_pattern() {
    let plain = template("ns-{project}");
    for injected in [
        ".*",
        "[a-z]+",
        "(etl)",
        "{project}",
        "*",
        "?",
        "etl|x",
        "",
        "$",
    ] {
        assert!(!plain.renders("ns-etl", injected, "d"), "{injected}");
    }
}

#[test]
fn all_readings_are_found() {
    let readings = |text: &str, namespace: &str| -> Vec<String> {
        let template = template(text);
        let readings = template.readings(namespace);
        let shown = |value: Option<&str>| value.unwrap_or("*").to_owned();
        readings
            .into_iter()
            .map(|reading| shown(reading.project) + "/" + &shown(reading.domain))
            .collect()
    };
    assert_eq!(readings("{project}-{domain}", "a-b-c"), ["a/b-c", "a-b/c"]);
    assert_eq!(readings("{appid}-{project}-{domain}", "1-b-c"), ["b/c"]);
    assert_eq!(readings("team-{project}", "team-a-b"), ["a-b/*"]);
    assert!(readings("{project}-{domain}", "ab").is_empty());
    let long = "a-".repeat(40);
    assert!(readings("{project}-{domain}", &long).is_empty());
}

#[test]
fn bad_templates_are_refused() {
    for bad in [
        "a-{project",
        "a-project}",
        "{}-a",
        "{a b}",
        "A-{project}",
        "{project}*",
        "{app}-{app}",
        "{app:[}-x",
        "{project:[a-z]+}",
        "{a}{b}{c}{d}{e}",
        "{project}-{x,y}",
    ] {
        assert!(Template::parse(bad).is_err(), "{bad}");
    }
    assert!(Template::is_meant("x-{project}") && Template::is_meant("{app:[0-9]+}"));
    assert!(!Template::is_meant("data-{dev,prod}") && !Template::is_meant("data-*"));
}

proptest! {
    /// What is rendered is recognised, and among its own readings.
    #[test]
    fn rendering_and_reading_agree(
        project in "[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?",
        domain in "[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?",
        free in "[a-z0-9]{1,4}",
        order in 0_usize..4,
    ) {
        let text = [
            "{project}-{domain}", "{domain}{project}", "{appid}-x-{project}-{domain}", "{domain}-{appid}-{project}",
        ][order];
        let template = template(text);
        let namespace = text
            .replace("{project}", &project)
            .replace("{domain}", &domain)
            .replace("{appid}", &free);
        prop_assert!(template.renders(&namespace, &project, &domain));
        let reading = Reading { project: Some(&project), domain: Some(&domain) };
        let readings = template.readings(&namespace);
        prop_assert!(readings.contains(&reading));
        for other in readings {
            let (project, domain) = (other.project.unwrap(), other.domain.unwrap());
            prop_assert!(template.renders(&namespace, project, domain));
        }
    }
}
