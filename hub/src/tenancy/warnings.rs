//! What is allowed to be said in a policy, and is hardly meant.

use super::{Known, NamespacePattern, Reading, Tenancy, Tenant};

/// Names to try namespaces' templates with where nothing better is known.
const LENGTHS: std::ops::RangeInclusive<usize> = 1..=12;

impl Tenancy {
    /// What whoever wrote the policy should know about it, for the clusters of these names.
    pub fn warnings(&self, clusters: &[&str]) -> Vec<String> {
        let mut warnings = self.overlaps(clusters);
        warnings.extend(self.ambiguities());
        warnings
    }

    /// Pairs of tenants that may allow the same, which is refused then.
    fn overlaps(&self, clusters: &[&str]) -> Vec<String> {
        let tenants: Vec<_> = self.tenants.iter().collect();
        let mut warnings = Vec::new();
        for (at, (name, one)) in tenants.iter().enumerate() {
            for (other_name, other) in &tenants[at + 1..] {
                if overlap(&one.tenant, &other.tenant, clusters) {
                    warnings.push(format!(
                        "tenants.{name} and tenants.{other_name} may allow the same registration, \
                         which is denied then"
                    ));
                }
            }
        }
        warnings
    }

    /// Namespaces that templates can take for several projects and domains.
    fn ambiguities(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, Known { tenant, .. }) in &self.tenants {
            for template in &tenant.namespaces {
                if let Some((namespace, readings)) = self.ambiguous(tenant, template) {
                    warnings.push(format!(
                        "tenants.{name}.namespaces: {template} makes {namespace} of {readings}, \
                         which is denied then"
                    ));
                }
            }
        }
        warnings
    }

    /// An example of a namespace that stands for several things, and for which.
    fn ambiguous(&self, tenant: &Tenant, pattern: &NamespacePattern) -> Option<(String, String)> {
        let template = pattern.template()?;
        let free: Vec<String> = LENGTHS
            .flat_map(|length| ["x", "1"].map(|c| c.repeat(length)))
            .collect();
        let projects = tenant.projects.iter().flat_map(super::Glob::examples);
        let projects: Vec<String> = projects.collect();
        let domains = tenant.domains.iter().flat_map(super::Glob::examples);
        let domains: Vec<String> = domains.collect();
        projects.iter().find_map(|project| {
            domains.iter().find_map(|domain| {
                let namespace = template.example(project, domain, &free)?;
                let others = self.tenants.values();
                let mut readings: Vec<Reading<'_>> = others
                    .flat_map(|known| known.tenant.readings(&namespace))
                    .filter(|reading| !reading.agrees(project, domain))
                    .collect();
                readings.truncate(1);
                let other = readings.first()?;
                let told = format!(
                    "project {project} and domain {domain} as well as of {}",
                    told(*other)
                );
                Some((namespace.clone(), told))
            })
        })
    }
}

fn told(reading: Reading<'_>) -> String {
    match (reading.project, reading.domain) {
        (Some(project), Some(domain)) => format!("project {project} and domain {domain}"),
        (Some(project), None) => format!("project {project}"),
        (_, Some(domain)) => format!("domain {domain}"),
        _ => "any project".to_owned(),
    }
}

fn overlap(a: &Tenant, b: &Tenant, clusters: &[&str]) -> bool {
    let meet =
        |a: &[super::Glob], b: &[super::Glob]| a.iter().any(|a| b.iter().any(|b| a.may_meet(b)));
    let globs = |tenant: &Tenant| -> Vec<super::Glob> {
        let texts = tenant
            .namespaces
            .iter()
            .map(|pattern| match pattern.template() {
                Some(template) => template.glob(),
                None => pattern.to_string(),
            });
        texts
            .filter_map(|text| super::Glob::try_from(text).ok())
            .collect()
    };
    let shared =
        |cluster: &&str| super::any(&a.clusters, cluster) && super::any(&b.clusters, cluster);
    clusters.iter().any(shared)
        && meet(&a.projects, &b.projects)
        && meet(&a.domains, &b.domains)
        && meet(&globs(a), &globs(b))
        && !a.namespace_selector.excludes(&b.namespace_selector)
        && !b.namespace_selector.excludes(&a.namespace_selector)
}
