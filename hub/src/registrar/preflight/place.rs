//! The project and the domain of a plan.

use flyte_registration_crd::Reason;
use flyte_registration_proto::flyteidl::admin::{
    GetDomainRequest, GetDomainsResponse, Project, ProjectGetRequest, ProjectRegisterRequest,
    ProjectRegisterResponse, project::ProjectState,
};
use tonic::Code;

use super::{Look, unavailable};
use crate::{
    package::Id,
    registrar::{
        Trouble,
        admin::Method,
        classify::{Verdict, classify, trouble},
        patience::patiently,
        places::Places,
        writers::Writers,
    },
};

/// What projects that are created for a package say of themselves.
const DESCRIPTION: &str = "Created by the Flyte registration hub";

/// What is wrong with a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::registrar) enum Wrong {
    /// There is no such project.
    NoProject,
    /// Anything else.
    Other(Trouble),
}

impl Wrong {
    /// For whoever cannot mend it.
    pub(super) fn trouble(self, project: &str) -> Trouble {
        match self {
            Self::NoProject => Trouble {
                reason: Reason::ProjectNotFound,
                message: format!("project {project} does not exist"),
            },
            Self::Other(trouble) => trouble,
        }
    }
}

impl Look<'_> {
    /// Looks whether project and domain are there and may be used.
    pub(super) async fn place(&self) -> Result<(), Vec<Wrong>> {
        let (project, domain) = futures::join!(self.project(), self.domain());
        let domain = domain.map_err(Wrong::Other);
        let wrong: Vec<_> = [project, domain]
            .into_iter()
            .filter_map(Result::err)
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    async fn project(&self) -> Result<(), Wrong> {
        let id = &self.plan.target.project;
        let request = ProjectGetRequest {
            id: id.clone(),
            ..ProjectGetRequest::default()
        };
        let answer: Project = patiently(self.patience, || {
            self.admin.typed(Method::GET_PROJECT, &request)
        })
        .await
        .map_err(|status| match status.code() {
            Code::NotFound => Wrong::NoProject,
            _ => Wrong::Other(unavailable(&status)),
        })?;
        match answer.state() {
            ProjectState::Active => Ok(()),
            _ => Err(Wrong::Other(Trouble {
                reason: Reason::ProjectNotFound,
                message: format!("project {id} is archived"),
            })),
        }
    }

    async fn domain(&self) -> Result<(), Trouble> {
        let id = &self.plan.target.domain;
        let request = GetDomainRequest::default();
        let answer: GetDomainsResponse = patiently(self.patience, || {
            self.admin.typed(Method::GET_DOMAINS, &request)
        })
        .await
        .map_err(|status| unavailable(&status))?;
        if answer.domains.iter().any(|domain| domain.id == *id) {
            return Ok(());
        }
        let all: Vec<_> = answer
            .domains
            .iter()
            .map(|domain| domain.id.as_str())
            .collect();
        Err(Trouble {
            reason: Reason::DomainNotFound,
            message: format!("domain {id} does not exist; there are {}", all.join(", ")),
        })
    }

    /// Creates the project, with the domains that this FlyteAdmin gives to all. One that
    /// somebody else creates at the same time serves as well; one that is archived stays so.
    pub(super) async fn create_project(
        &self,
        places: &Places,
        writers: &Writers,
    ) -> Result<(), Trouble> {
        let target = &self.plan.target;
        // Fifty packages for one new project create it once.
        let _writer = writers
            .admit(&Id {
                project: target.project.clone(),
                domain: String::new(),
                name: String::new(),
                version: String::new(),
            })
            .await;
        if places.knows(target) {
            return Ok(());
        }
        let request = ProjectRegisterRequest {
            project: Some(Project {
                id: target.project.clone(),
                name: target.project.clone(),
                description: DESCRIPTION.to_owned(),
                ..Project::default()
            }),
        };
        let answer: Result<ProjectRegisterResponse, _> = patiently(self.patience, || {
            self.admin.typed(Method::REGISTER_PROJECT, &request)
        })
        .await;
        match answer {
            Ok(_) => tracing::info!(project = target.project, "created a Flyte project"),
            Err(status) => match classify(status.code(), status.message()) {
                Verdict::Taken => self
                    .project()
                    .await
                    .map_err(|wrong| wrong.trouble(&target.project))?,
                Verdict::No(reason) => {
                    let Trouble { reason, message } = trouble(reason, &status);
                    let message =
                        format!("project {} cannot be created: {message}", target.project);
                    return Err(Trouble { reason, message });
                }
                _ => return Err(unavailable(&status)),
            },
        }
        places.remember(target).await;
        Ok(())
    }
}
