//! What follows from an object under the present policy. Pure.

use std::collections::{BTreeMap, BTreeSet};

use flyte_registration_crd::{ActivateLaunchPlans, DeletionPolicy, FlyteRegistrationSpec, Reason};

use super::{ObjectId, Observed, Occasion, Order};
use crate::{
    config::Config,
    package::{Activation, Options, Selection, Target},
    receipt,
    source::{Allowed, PackageRef, SourceConfig, Wanted, locate},
    tenancy::{Denial, Extras, Grant, Question, Tenancy},
};

/// All that a judgement depends on besides the object.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who may register what.
    pub tenancy: Tenancy,
    /// Where packages come from.
    pub sources: BTreeMap<String, SourceConfig>,
    /// The epoch of each FlyteAdmin, by name.
    pub epochs: BTreeMap<String, String>,
    /// Signs and verifies receipts.
    pub receipts: receipt::Key,
}

/// What names of the configuration stand for something else than before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Names of sources.
    pub sources: BTreeSet<String>,
    /// Names of FlyteAdmins.
    pub flyte_admins: BTreeSet<String>,
}

impl Changed {
    /// Whether `order` is to be carried out with one of them.
    pub(super) fn concerns(&self, order: &Order) -> bool {
        self.sources.contains(&order.package.source)
            || self.flyte_admins.contains(&order.flyte_admin)
    }
}

/// What follows from an object.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is going away.
    Deleting,
    /// Nothing is to be done, for this reason.
    Settled(Refusal),
    /// It is done: the receipt says so. The order is to look again, should the interval pass.
    Done(Box<receipt::Payload>, Box<Order>),
    /// It is to be done.
    Work(Box<Order>),
}

/// Why nothing is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In one word.
    pub reason: Reason,
    /// For people.
    pub message: String,
    /// The key of the configuration that decided it, where one did.
    pub rule: Option<String>,
}

impl Refusal {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            rule: None,
        }
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Self {
            rule: Some(denial.rule),
            ..Self::new(Reason::Denied, denial.message)
        }
    }
}

impl Policy {
    /// The policy of `config`.
    pub fn new(config: &Config, receipts: receipt::Key) -> Self {
        let admins = config.flyte_admins.iter();
        Self {
            tenancy: Tenancy::new(config.tenants.clone()),
            sources: config.sources.clone(),
            epochs: admins
                .map(|(name, admin)| (name.clone(), admin.epoch.clone()))
                .collect(),
            receipts,
        }
    }

    /// Judges `observed`. `own_receipt` is one that this process issued and that the object may
    /// not show yet.
    pub(super) fn judge(
        &self,
        id: &ObjectId,
        observed: &Observed,
        own_receipt: Option<&str>,
    ) -> Verdict {
        if observed.deleting {
            return Verdict::Deleting;
        }
        match self.order(id, observed) {
            Err(refusal) => Verdict::Settled(refusal),
            Ok(order) => match self.receipt(&id.cluster, observed, own_receipt, &order) {
                Some(payload) if payload.request == observed.request => {
                    Verdict::Done(Box::new(payload), Box::new(order.on(Occasion::Look)))
                }
                Some(_) => Verdict::Work(Box::new(order.on(Occasion::Request))),
                None => Verdict::Work(Box::new(order)),
            },
        }
    }

    fn order(&self, id: &ObjectId, observed: &Observed) -> Result<Order, Refusal> {
        let spec = observed
            .spec
            .as_ref()
            .map_err(|message| Refusal::new(Reason::InvalidSpec, message))?;
        let problems: Vec<String> = spec.check().iter().map(ToString::to_string).collect();
        if !problems.is_empty() {
            return Err(Refusal::new(Reason::InvalidSpec, problems.join("; ")));
        }
        if spec.suspend == Some(true) {
            return Err(Refusal::new(Reason::Suspended, "spec.suspend is set"));
        }
        if let Some(field) = unsupported(spec) {
            let message = format!("{field} is not supported by this hub yet");
            return Err(Refusal::new(Reason::NotSupported, message));
        }
        let question = Question {
            cluster: &id.cluster,
            namespace: &id.key.namespace,
            labels: &observed.labels,
            project: &spec.workflow_project,
            domain: &spec.workflow_domain,
        };
        let grant = self.tenancy.decide(question)?;
        let activation = activation(spec);
        let extras = Extras {
            service_account: spec.service_account.as_deref(),
            iam_role: spec.iam_role.as_deref(),
            raw_output_data_prefix: spec.raw_output_data_prefix.as_deref(),
            activate: activation != Activation::None,
        };
        grant.terms.permit(&id.key.namespace, extras)?;
        let wanted = Wanted {
            uri: &spec.workflow_package_uri,
            version: &spec.workflow_version,
            digest: spec.digest.as_deref(),
        };
        let package = find(wanted, &grant, &self.sources)?;
        let fingerprint = grant.terms.fingerprint(&(
            &grant.signatures,
            self.sources
                .get(&package.source)
                .and_then(SourceConfig::signatures),
        ));
        Ok(Order {
            epoch: self
                .epochs
                .get(&grant.flyte_admin)
                .cloned()
                .unwrap_or_default(),
            tenant: grant.tenant,
            rule: grant.rule,
            flyte_admin: grant.flyte_admin,
            package,
            target: Target {
                project: spec.workflow_project.clone(),
                domain: spec.workflow_domain.clone(),
                version: spec.workflow_version.clone(),
            },
            selection: Selection {
                workflow_name: spec.workflow_name.clone(),
            },
            options: Options {
                service_account: spec.service_account.clone(),
                iam_role: spec.iam_role.clone(),
                raw_output_data_prefix: spec.raw_output_data_prefix.clone(),
            },
            activation,
            create_project: grant.create_project,
            terms: grant.terms,
            fingerprint,
            weight: grant.weight,
            own_credentials: grant.own_credentials,
            occasion: Occasion::Change,
        })
    }

    /// A receipt for `observed`, wherever it was registered.
    pub(super) fn kept(
        &self,
        cluster: &str,
        observed: &Observed,
        own: Option<String>,
    ) -> Option<String> {
        let subject = observed.subject(cluster);
        own.into_iter()
            .chain([observed.receipt.clone()])
            .find(|receipt| self.receipts.verify(subject, receipt).is_some())
    }

    /// The payload of a receipt that covers `order`, whatever request it answers.
    pub(super) fn receipt(
        &self,
        cluster: &str,
        observed: &Observed,
        own: Option<&str>,
        order: &Order,
    ) -> Option<receipt::Payload> {
        let subject = observed.subject(cluster);
        own.into_iter()
            .chain([observed.receipt.as_str()])
            .filter_map(|receipt| self.receipts.verify(subject, receipt))
            .find(|payload| {
                payload.flyte_admin == order.flyte_admin && payload.epoch == order.epoch
            })
    }
}

/// Finds the package that is wanted, if it may be registered.
pub(crate) fn find(
    wanted: Wanted<'_>,
    grant: &Grant,
    sources: &BTreeMap<String, SourceConfig>,
) -> Result<PackageRef, Refusal> {
    let allowed = Allowed {
        default_source: grant.default_source.as_deref(),
        sources: &grant.sources,
        signatures: grant.signatures.as_ref(),
    };
    let package = locate(wanted, allowed, sources).map_err(|error| {
        let mut refusal = Refusal::new(error.reason(), error.to_string());
        if refusal.reason == Reason::Denied {
            refusal.rule = Some(format!("{}.sources", grant.rule));
        }
        refusal
    })?;
    let source = sources.get(&package.source);
    let path = source.map(|source| package.place.below(source));
    grant.permit(path.unwrap_or_default(), package.pinned.is_some())?;
    Ok(package)
}

impl Observed {
    /// What a receipt for this object is bound to.
    pub(super) fn subject<'a>(&'a self, cluster: &'a str) -> receipt::Subject<'a> {
        receipt::Subject {
            cluster,
            uid: &self.uid,
            generation: self.generation,
            spec_sha256: &self.spec_sha256,
        }
    }
}

fn activation(spec: &FlyteRegistrationSpec) -> Activation {
    let Some(plans) = &spec.launch_plans else {
        return Activation::None;
    };
    match plans.activate.unwrap_or_default() {
        ActivateLaunchPlans::None => Activation::None,
        ActivateLaunchPlans::Scheduled => Activation::Scheduled,
        ActivateLaunchPlans::All => Activation::All,
        ActivateLaunchPlans::Named => Activation::Named(plans.names.iter().cloned().collect()),
    }
}

/// The first field that is in the CRD for later, and set to something that would have to be obeyed.
fn unsupported(spec: &FlyteRegistrationSpec) -> Option<&'static str> {
    [(
        spec.deletion_policy == Some(DeletionPolicy::Deactivate),
        "spec.deletionPolicy: Deactivate",
    )]
    .into_iter()
    .find_map(|(set, field)| set.then_some(field))
}
