//! Activating and deactivating launch plans.

use flyte_registration_proto::flyteidl::{
    admin::{self, LaunchPlanSpec, LaunchPlanState, LaunchPlanUpdateResponse},
    core::ResourceType,
};
use prost::Message as _;
use tonic::Code;

use super::schedule;
use crate::{
    admin::Admin,
    database,
    error::{AdminError, Answer},
    faults::Mishap,
    golang::text,
    store::{Key, State},
    task, validate,
};

impl Admin {
    /// `UpdateLaunchPlan`. A missing resource type is filled in first.
    pub fn update_launch_plan(
        &self,
        mut request: admin::LaunchPlanUpdateRequest,
        mishap: Option<Mishap>,
    ) -> Answer<LaunchPlanUpdateResponse> {
        request.id = validate::typed(request.id, ResourceType::LaunchPlan);
        match LaunchPlanState::try_from(request.state) {
            Ok(LaunchPlanState::Inactive) => {
                validate::identifier(request.id.as_ref(), ResourceType::LaunchPlan)?;
                self.write(|state| deactivate(state, &Key::of(request.id.as_ref())))
            }
            Ok(LaunchPlanState::Active) => self.activate(&Key::of(request.id.as_ref()), mishap),
            Err(_) => Err(AdminError::invalid(format!(
                "Unrecognized launch plan state {} for update for launch plan [{}]",
                request.state,
                text::identifier(request.id.as_ref())
            ))),
        }
    }

    /// Nothing is validated: empty fields match any row. The running schedule goes off
    /// before the new one is tried, and stays off when that fails.
    fn activate(&self, query: &Key, mishap: Option<Mishap>) -> Answer<LaunchPlanUpdateResponse> {
        self.write(|state| {
            let row = state.launch_plans.find(query);
            let row = row.ok_or_else(|| task::missing("LAUNCH_PLAN", query))?;
            let (key, spec) = (row.key.clone(), spec(&row.body.spec));
            let running = super::active(state).find(|other| {
                let name = |key: &Key| (key.project.clone(), key.domain.clone(), key.name.clone());
                name(&other.key) == name(&key)
            });
            let running = running.map(|row| (row.key.clone(), self::spec(&row.body.spec)));
            // Two that look at the same moment see the same version, or none, and so leave
            // each other's.
            let running = running.filter(|_| mishap != Some(Mishap::Raced));
            if let Some((old, old_spec)) = &running
                && !schedule::is_empty(old_spec)
            {
                state
                    .launch_plans
                    .update(old, |row| row.schedule_active = Some(false));
            }
            if mishap == Some(Mishap::HalfDone) {
                return Err(database::shut_down());
            }
            if !schedule::is_empty(&spec) {
                if let Some(cron) = schedule::deprecated(&spec) {
                    let text = format!(
                        "failed adding schedule for unknown schedule expression type &{{{cron}}}"
                    );
                    return Err(AdminError::new(Code::Internal, text));
                }
                state
                    .launch_plans
                    .update(&key, |row| row.schedule_active = Some(true));
            }
            if let Some((old, _)) = running {
                state
                    .launch_plans
                    .update(&old, |row| row.state = LaunchPlanState::Inactive.into());
            }
            state
                .launch_plans
                .update(&key, |row| row.state = LaunchPlanState::Active.into());
            Ok(LaunchPlanUpdateResponse {})
        })
    }
}

fn deactivate(state: &mut State, key: &Key) -> Answer<LaunchPlanUpdateResponse> {
    let row = state.launch_plans.find(key);
    let row = row.ok_or_else(|| task::missing("LAUNCH_PLAN", key))?;
    let scheduled = schedule::is_present(&spec(&row.body.spec));
    state.launch_plans.update(key, |row| {
        row.state = LaunchPlanState::Inactive.into();
        if scheduled && row.schedule_active.is_some() {
            row.schedule_active = Some(false);
        }
    });
    Ok(LaunchPlanUpdateResponse {})
}

fn spec(bytes: &[u8]) -> LaunchPlanSpec {
    LaunchPlanSpec::decode(bytes).unwrap_or_default()
}
