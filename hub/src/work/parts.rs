//! What jobs are carried out with, as the configuration has it.

use std::{collections::BTreeMap, sync::Arc};

use moka::sync::Cache;

use super::{Registration, gate::Gate};
use crate::{
    config::Config,
    fleet::{Order, Outcome},
    flight::Flights,
    package,
    registrar::{AuthConfig, EndpointError, FlyteAdminConfig, Registrar},
    source::{self, SetupError, Sources},
};

/// How many registrations in one FlyteAdmin are remembered for others that ask for the same.
const REMEMBERED: u64 = 4096;

/// The configuration cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// A source cannot be set up.
    #[error(transparent)]
    Source(#[from] SetupError),
    /// A FlyteAdmin cannot be.
    #[error("flyteAdmins.{name} cannot be set up")]
    FlyteAdmin {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        cause: EndpointError,
    },
}

/// Sources, FlyteAdmins and limits. After a change of the configuration others take their place.
pub struct Parts {
    pub(super) sources: Sources,
    pub(super) lanes: BTreeMap<String, Arc<Lane>>,
    pub(super) limits: package::Limits,
}

/// One FlyteAdmin, and how many packages may be in memory for it at a time: one that is slow
/// holds up no other.
pub(super) struct Lane {
    config: FlyteAdminConfig,
    /// The tenants that call it as themselves.
    tenants: BTreeMap<String, AuthConfig>,
    pub registrar: Registrar,
    callers: BTreeMap<String, Registrar>,
    pub places: Gate,
    pub under_way: Flights<Registration, Arc<Outcome>>,
    pub done: Cache<Registration, Arc<Outcome>>,
}

impl Lane {
    /// Calls FlyteAdmin for `order`. `None`: the tenant has no credentials of its own any more.
    pub fn caller(&self, order: &Order) -> Option<&Registrar> {
        if order.own_credentials {
            self.callers.get(&order.tenant)
        } else {
            Some(&self.registrar)
        }
    }
}

impl Parts {
    /// The parts that `config` names. Reads certificates and makes no request.
    pub fn new(config: &Config, cache: Arc<source::Cache>) -> Result<Self, PartsError> {
        let sources = Sources::new(&config.sources, cache)?;
        Self::with(sources, config, &BTreeMap::new())
    }

    /// The parts that another configuration names. Those that are as they were go on.
    pub fn renewed(&self, config: &Config) -> Result<Self, PartsError> {
        let sources = self.sources.renewed(&config.sources)?;
        Self::with(sources, config, &self.lanes)
    }

    fn with(
        sources: Sources,
        config: &Config,
        old: &BTreeMap<String, Arc<Lane>>,
    ) -> Result<Self, PartsError> {
        let lane = |name: &String, admin: &FlyteAdminConfig| {
            let tenants = callers(config, name);
            let registrar = match old.get(name) {
                Some(old) if old.config == *admin && old.tenants == tenants => {
                    return Ok(Arc::clone(old));
                }
                Some(old) => old.registrar.renewed(admin)?,
                None => Registrar::new(name, admin)?,
            };
            let callers = tenants.iter().map(|(tenant, auth)| {
                let caller = registrar.called_as(auth, admin)?;
                Ok((tenant.clone(), caller))
            });
            Ok(Arc::new(Lane {
                config: admin.clone(),
                callers: callers.collect::<Result<_, EndpointError>>()?,
                tenants,
                registrar,
                places: Gate::new(config.work.packages_per_flyte_admin),
                under_way: Flights::default(),
                done: Cache::new(REMEMBERED),
            }))
        };
        let lanes = config.flyte_admins.iter().map(|(name, admin)| {
            let lane = lane(name, admin).map_err(|cause| PartsError::FlyteAdmin {
                name: name.clone(),
                cause,
            })?;
            Ok((name.clone(), lane))
        });
        let lanes: Result<_, PartsError> = lanes.collect();
        Ok(Self {
            sources,
            lanes: lanes?,
            limits: config.package.clone(),
        })
    }
}

/// The credentials of the tenants that call this FlyteAdmin as themselves.
fn callers(config: &Config, flyte_admin: &str) -> BTreeMap<String, AuthConfig> {
    let tenants = config.tenants.iter();
    let own = tenants.filter(|(_, tenant)| tenant.flyte_admin == flyte_admin);
    own.filter_map(|(name, tenant)| Some((name.clone(), tenant.auth.clone()?)))
        .collect()
}
