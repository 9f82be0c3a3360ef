//! One registration, once its package is there: read, checked, put on record, registered.

use std::{io::Read, sync::Arc};

use flyte_registration_crd::{Package, Reason};
use jiff::Timestamp;

use super::{
    failure::{defect, failure, unaudited},
    gate::Gate,
};
use crate::{
    audit::{Audit, Unavailable, event},
    fleet::{Failure, Job, Occasion, Order, Outcome, queue::Share},
    package,
    registrar::Registrar,
    source::Fetched,
};

/// Puts on record that `job` writes to FlyteAdmin from now on: what a hub that is killed has done is
/// on record, too.
pub(super) fn begin(
    audit: Audit,
    job: &Job,
    package: &Package,
) -> impl Future<Output = Result<(), Unavailable>> + Send + 'static {
    let (origin, order, package) = (job.origin.clone(), Arc::clone(&job.order), package.clone());
    async move {
        let started = event::registration::started(&origin, &order, &package, Timestamp::now());
        audit.record(vec![started]).await
    }
}

/// Reads and plans the package, and registers it after `begin`.
pub(super) fn register(
    registrar: Registrar,
    places: Gate,
    turn: Share,
    order: &Order,
    limits: package::Limits,
    fetched: Fetched,
    begin: impl Future<Output = Result<(), Unavailable>> + Send + 'static,
) -> impl Future<Output = Arc<Outcome>> + Send + 'static {
    let wanted = order.clone();
    let is_look = order.occasion == Occasion::Look;
    async move {
        let package = Some(fetched.package.clone());
        let _place = places.enter(turn).await;
        let blob = fetched.blob.clone();
        let limits = registrar.limits(&limits);
        let planned = tokio::task::spawn_blocking(move || plan(&fetched, &wanted, &limits)).await;
        let (plan, chosen) = match planned {
            Ok(Ok(plan)) => plan,
            Ok(Err(failure)) => {
                return Arc::new(Outcome {
                    package,
                    failure: Some(failure),
                    ..Outcome::default()
                });
            }
            Err(_) => return Arc::new(defect()),
        };
        if let Err(problem) = begin.await {
            return Arc::new(unaudited(package, problem));
        }
        let open = || Ok(Box::new(blob.open()?) as Box<dyn Read + Send>);
        let report = registrar.register_from(&plan, &open).await;
        let report = if is_look {
            registrar.still_active(&plan, &chosen, report).await
        } else {
            registrar.activate(&plan, &chosen, report).await
        };
        Arc::new(Outcome {
            package,
            counts: Some(report.counts),
            entities: report.entities,
            activations: report.activations,
            failure: report
                .failure
                .map(|found| failure(found.reason, found.message)),
        })
    }
}

/// What to register, once it is known that it may be.
fn plan(
    fetched: &Fetched,
    order: &Order,
    limits: &package::Limits,
) -> Result<(package::Plan, Vec<package::Chosen>), Failure> {
    // The cache may be swept or lost at any time; the next attempt fetches again.
    let file = fetched.blob.open().map_err(|error| {
        let message = format!("the package is no longer in the cache: {error}");
        failure(Reason::SourceUnavailable, message)
    })?;
    let wrong = |error: package::PackageError| failure(error.reason(), error.to_string());
    let archive = package::read(file, limits).map_err(wrong)?;
    let mut plan = package::plan(archive, &order.target, &order.selection).map_err(wrong)?;
    plan.create_project = order.create_project;
    plan.apply(&order.options).map_err(wrong)?;
    let chosen = plan.chosen(&order.activation).map_err(wrong)?;
    let claims = package::claims(&plan).map_err(wrong)?;
    order.terms.review(&claims).map_err(|denial| Failure {
        rule: Some(denial.rule),
        ..failure(Reason::Denied, denial.message)
    })?;
    Ok((plan, chosen))
}
