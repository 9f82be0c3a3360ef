//! Projects and domains.

use std::collections::HashMap;

use flyte_registration_proto::flyteidl::admin::{
    self, Domain, GetDomainsResponse, GetVersionResponse, Project, ProjectGetRequest,
    ProjectListRequest, ProjectRegisterRequest, ProjectRegisterResponse, ProjectUpdateResponse,
    Projects, Version, project::ProjectState,
};
use tonic::Code;

use crate::{
    admin::Admin,
    error::{AdminError, Answer},
    list::{self, Cell},
    store, validate,
};

impl Admin {
    /// `GetVersion` of a binary built without linker flags.
    pub fn get_version(&self) -> GetVersionResponse {
        GetVersionResponse {
            control_plane_version: Some(Version {
                build: "unknown".to_owned(),
                version: "unknown".to_owned(),
                build_time: self.started.clone(),
            }),
        }
    }

    /// `GetDomains`.
    pub fn get_domains(&self) -> GetDomainsResponse {
        let domain = |id: &String| Domain {
            id: id.clone(),
            name: id.clone(),
        };
        GetDomainsResponse {
            domains: self.settings.domains.iter().map(domain).collect(),
        }
    }

    /// `RegisterProject`.
    pub fn register_project(
        &self,
        request: ProjectRegisterRequest,
    ) -> Answer<ProjectRegisterResponse> {
        let project = request
            .project
            .ok_or_else(|| AdminError::missing("project"))?;
        validate::required(&project.name, "project_name")?;
        check(&project)?;
        self.write(|state| {
            if state.projects.contains_key(&project.id) {
                let text = "value with matching already exists (duplicate key value violates \
                            unique constraint \"projects_pkey\")";
                return Err(AdminError::new(Code::AlreadyExists, text));
            }
            let row = store::Project {
                name: project.name,
                description: project.description,
                labels: project
                    .labels
                    .map(|labels| labels.values.into_iter().collect()),
                state: project.state,
                created: store::now(),
            };
            state.projects.insert(project.id, row);
            Ok(ProjectRegisterResponse {})
        })
    }

    /// `UpdateProject`: empty fields stay as they are, but for the state.
    pub fn update_project(&self, update: Project) -> Answer<ProjectUpdateResponse> {
        self.write(|state| {
            if !update.id.is_empty() && !state.projects.contains_key(&update.id) {
                return Err(not_found(&update.id));
            }
            check(&update)?;
            if let Some(row) = state.projects.get_mut(&update.id) {
                let keep = |new: String, old: &mut String| {
                    if !new.is_empty() {
                        *old = new;
                    }
                };
                keep(update.name, &mut row.name);
                keep(update.description, &mut row.description);
                if let Some(labels) = update.labels {
                    row.labels = Some(labels.values.into_iter().collect());
                }
                row.state = update.state;
            }
            Ok(ProjectUpdateResponse {})
        })
    }

    /// `GetProject`.
    pub fn get_project(&self, request: &ProjectGetRequest) -> Answer<Project> {
        validate::required(&request.id, "project_id")?;
        self.read(|state| {
            let row = state
                .projects
                .get(&request.id)
                .ok_or_else(|| not_found(&request.id))?;
            Ok(self.show(&request.id, row))
        })
    }

    /// `ListProjects`: archived ones are hidden unless filters are sent.
    pub fn list_projects(&self, request: &ProjectListRequest) -> Answer<Projects> {
        let filters = list::filters(&request.filters, list::PROJECT, &[])?;
        let order = list::order(request.sort_by.as_ref(), list::PROJECT)?
            .unwrap_or_else(|| ("identifier".to_owned(), true));
        let offset = list::offset(&request.token, " for ListProjects")?;
        let limit = if request.limit == 0 {
            usize::MAX
        } else {
            request.limit as usize
        };
        self.read(|state| {
            let archived = ProjectState::Archived as i32;
            let shown = |row: &store::Project| !filters.is_empty() || row.state != archived;
            let rows = state.projects.iter().filter(|(_, row)| shown(row));
            let page = (offset, limit);
            let (rows, token) =
                list::page(rows, &filters, Some(&order), page, cell, list::PROJECT)?;
            let projects = rows
                .into_iter()
                .map(|(id, row)| self.show(id, row))
                .collect();
            Ok(Projects { projects, token })
        })
    }

    fn show(&self, id: &str, row: &store::Project) -> Project {
        let labels = row.labels.clone().map(|labels| admin::Labels {
            values: HashMap::from_iter(labels),
        });
        Project {
            id: id.to_owned(),
            name: row.name.clone(),
            domains: self.get_domains().domains,
            description: row.description.clone(),
            labels,
            state: row.state,
            org: String::new(),
        }
    }
}

fn not_found(id: &str) -> AdminError {
    AdminError::new(Code::NotFound, format!("project [{id}] not found"))
}

fn check(project: &Project) -> Answer<()> {
    validate::required(&project.id, "project_id")?;
    validate::labels(project.labels.as_ref())?;
    if let Some(reason) = validate::bad_dns_label(&project.id) {
        return Err(AdminError::invalid(format!(
            "invalid project id [{}]: [{reason}]",
            project.id
        )));
    }
    for (text, name, most) in [
        (&project.name, "project_name", 64),
        (&project.description, "project_description", 300),
    ] {
        if text.len() > most {
            return Err(AdminError::invalid(format!(
                "{name} cannot exceed {most} characters"
            )));
        }
    }
    if !project.domains.is_empty() {
        return Err(AdminError::invalid(
            "Domains are currently only set system wide. Please retry without domains included \
             in your request.",
        ));
    }
    Ok(())
}

fn cell((id, row): &(&String, &store::Project), _entity: &str, column: &str) -> Cell {
    match column {
        "identifier" => Cell::Text((*id).clone()),
        "name" => Cell::Text(row.name.clone()),
        "description" => Cell::Text(row.description.clone()),
        "state" => Cell::Int(row.state.into()),
        "created_at" | "updated_at" => Cell::Time(row.created),
        _ => Cell::Null,
    }
}
