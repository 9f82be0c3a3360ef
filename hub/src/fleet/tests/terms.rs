//! Policies that change, and the labels that they ask about.

use super::*;

/// The usual policy, but for the images that packages may name.
fn images(image: &str) -> Policy {
    let tenant = Tenant {
        images: vec![Glob::try_from(image.to_owned()).unwrap()],
        ..tenant(&["data-*"])
    };
    policy_of(tenant, "1")
}

fn denied() -> Outcome {
    Outcome {
        package: success().package,
        ..failure(Reason::Denied)
    }
}

#[test]
fn other_terms_make_what_is_ready_be_checked_again() {
    let mut hub = Hub::new();
    let (plain, status) = hub.registered();
    hub.changed(showing(&plain, &status));
    hub.under(images("ghcr.io/*"));
    assert!(
        hub.told().is_empty(),
        "it is ready until the package says otherwise"
    );
    let look = hub.take().expect("it is looked at at once");
    assert_eq!(
        look.order.occasion,
        Occasion::Look,
        "nothing is activated again"
    );
    hub.finish(&look, denied());
    let status = hub.status();
    assert_eq!(conditions(&status), "False/False/True Denied");
    assert!(hub.take().is_none());

    // What was found stays known after a restart, and is found to be over with the old terms.
    let shown = showing(&plain, &status);
    hub.changed(shown.clone());
    let mut restarted = hub.restarted();
    restarted
        .fleet
        .replace_policy(images("ghcr.io/*"), &Changed::default(), hub.now);
    restarted.changed(shown);
    assert!(restarted.take().is_none() && restarted.told().is_empty());
    restarted
        .fleet
        .replace_policy(images("*"), &Changed::default(), hub.now);
    let look = restarted.take().unwrap();
    restarted.finish(&look, success());
    assert_eq!(
        conditions(&restarted.status()),
        "True/False/False Registered"
    );
    restarted.pass(Duration::from_hours(100));
    assert!(restarted.take().is_none(), "once is enough");
}

#[test]
fn terms_that_could_not_be_checked_are_checked_later() {
    let mut hub = Hub::new();
    let (plain, status) = hub.registered();
    hub.changed(showing(&plain, &status));
    hub.under(images("ghcr.io/*"));
    let look = hub.take().unwrap();
    hub.finish(&look, failure(Reason::SourceUnavailable));
    let status = hub.status();
    assert_eq!(conditions(&status), "True/False/False Registered");
    let shown = showing(&plain, &status);
    hub.changed(shown.clone());
    hub.fleet
        .replace_policy(images("ghcr.io/*"), &Changed::default(), hub.now);
    assert!(hub.take().is_none(), "the same terms do not hurry it");
    // Neither a restart nor the time makes that forgotten.
    let mut restarted = hub.restarted();
    restarted
        .fleet
        .replace_policy(images("ghcr.io/*"), &Changed::default(), hub.now);
    restarted.changed(shown);
    assert!(restarted.take().is_some());
    hub.pass(Duration::from_mins(15));
    assert!(hub.take().is_some());
}

#[test]
fn the_namespace_s_labels_decide_and_may_change() {
    let mut hub = Hub::new();
    let selector = LabelSelector {
        match_labels: [("team".to_owned(), "data".to_owned())].into(),
        ..LabelSelector::default()
    };
    let tenant = Tenant {
        namespace_selector: selector,
        ..tenant(&["*"])
    };
    hub.under(policy_of(tenant, "1"));
    let labelled = |team: &str| proto::Object {
        namespace_labels: [("team".to_owned(), team.to_owned())].into(),
        ..object("a", 1, &spec())
    };
    hub.changed(labelled("ml"));
    assert_eq!(conditions(&hub.status()), "False/False/True Denied");
    hub.changed(labelled("data"));
    assert_eq!(conditions(&hub.status()), "Unknown/True/False Queued");
    let job = hub.take().unwrap();
    hub.changed(labelled("ml"));
    assert_eq!(hub.fleet.take_wake().cancelled, [job.ticket]);
    assert_eq!(conditions(&hub.status()), "False/False/True Denied");
}

#[test]
fn labels_over_the_limit_are_malformed() {
    let object = proto::Object {
        namespace_labels: [("a".to_owned(), "x".repeat(70_000))].into(),
        ..object("a", 1, &spec())
    };
    assert!(Observed::from_proto(object).is_err());
}

#[test]
fn packages_lie_where_they_may_and_are_pinned_where_they_must_be() {
    let strict = Tenant {
        package_prefixes: Some(vec!["team/flows".to_owned().try_into().unwrap()]),
        require_digest: true,
        ..tenant(&["data-*"])
    };
    let digest = format!("sha256:{}", "0".repeat(64));
    for (uri, digest, expected) in [
        ("team/flows", Some(&digest), "Queued"),
        ("team/flows/etl", Some(&digest), "Queued"),
        ("team/flowsx", Some(&digest), "Denied"),
        ("team", Some(&digest), "Denied"),
        ("team/flows", None, "Denied"),
        (
            "oci://registry.example/team/flows:v1",
            Some(&digest),
            "Queued",
        ),
        ("oci://other.example/x/team/flows", Some(&digest), "Denied"),
    ] {
        let mut hub = Hub::new();
        hub.under(policy_of(strict.clone(), "1"));
        let mut spec = spec();
        spec["workflowPackageUri"] = json!(uri);
        if let Some(digest) = digest {
            spec["digest"] = json!(digest);
        }
        hub.changed(object("a", 1, &spec));
        let status = hub.status();
        assert!(conditions(&status).ends_with(expected), "{uri} {status}");
    }
}
