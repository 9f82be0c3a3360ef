//! Schedules and notifications.

use std::collections::BTreeMap;

use flyte_registration_proto::flyteidl::{
    admin::{self, Notification, notification::Type, schedule::ScheduleExpression},
    core::{self, SimpleType, literal_type, parameter::Behavior, workflow_execution::Phase},
};

use super::cron;
use crate::{
    dynamic,
    error::{AdminError, Answer},
    golang::text,
    validate,
};

/// The phases in which an execution is over.
const TERMINAL: [Phase; 4] = [
    Phase::Succeeded,
    Phase::Failed,
    Phase::TimedOut,
    Phase::Aborted,
];

fn schedule(spec: &admin::LaunchPlanSpec) -> Option<&admin::Schedule> {
    spec.entity_metadata.as_ref()?.schedule.as_ref()
}

/// The column that tells what kind of schedule it is.
pub fn kind(spec: &admin::LaunchPlanSpec) -> &'static str {
    match schedule(spec).and_then(|schedule| schedule.schedule_expression.as_ref()) {
        Some(ScheduleExpression::CronExpression(text)) if text.is_empty() => "NONE",
        Some(ScheduleExpression::Rate(_)) => "RATE",
        Some(_) => "CRON",
        None => "NONE",
    }
}

/// Nothing that the scheduler could run.
pub fn is_empty(spec: &admin::LaunchPlanSpec) -> bool {
    match schedule(spec).and_then(|schedule| schedule.schedule_expression.as_ref()) {
        Some(ScheduleExpression::CronSchedule(cron)) => cron.schedule.is_empty(),
        Some(ScheduleExpression::CronExpression(text)) => text.is_empty(),
        Some(ScheduleExpression::Rate(rate)) => rate.value == 0,
        None => true,
    }
}

/// The deprecated form, which registers and cannot be activated.
pub fn deprecated(spec: &admin::LaunchPlanSpec) -> Option<&str> {
    match schedule(spec)?.schedule_expression.as_ref()? {
        ScheduleExpression::CronExpression(text) => Some(text),
        _ => None,
    }
}

/// There is one, in whatever shape.
pub fn is_present(spec: &admin::LaunchPlanSpec) -> bool {
    schedule(spec).is_some()
}

/// A schedule can start the plan: no input is open but the one for the time.
pub fn check(spec: &admin::LaunchPlanSpec, inputs: &core::ParameterMap) -> Answer<()> {
    let Some(schedule) = schedule(spec) else {
        return Ok(());
    };
    let expression = match &schedule.schedule_expression {
        None => return Ok(()),
        Some(ScheduleExpression::CronExpression(text)) if text.is_empty() => return Ok(()),
        Some(ScheduleExpression::CronExpression(text)) => text,
        Some(ScheduleExpression::CronSchedule(cron)) => &cron.schedule,
        Some(ScheduleExpression::Rate(_)) => "",
    };
    let kickoff = schedule.kickoff_time_input_arg.as_str();
    for (name, parameter) in inputs.parameters.iter().collect::<BTreeMap<_, _>>() {
        if matches!(parameter.behavior, Some(Behavior::Required(true))) && name != kickoff {
            return Err(AdminError::invalid(format!(
                "Cannot create a launch plan with a schedule if there is an unbound required \
                 input. [{name}] is required"
            )));
        }
    }
    if !kickoff.is_empty() {
        check_kickoff(kickoff, inputs)?;
    }
    if expression.is_empty() {
        return Ok(());
    }
    cron::parse(expression)
        .map_err(|reason| AdminError::invalid(format!("Invalid cron expression: {reason}")))
}

fn check_kickoff(kickoff: &str, inputs: &core::ParameterMap) -> Answer<()> {
    let Some(parameter) = inputs.parameters.get(kickoff) else {
        return Err(AdminError::invalid(format!(
            "Cannot create a schedule with a KickoffTimeInputArg that does not point to a free \
             input. [{kickoff}] is not free or does not exist."
        )));
    };
    let kind = parameter.var.as_ref().and_then(|var| var.r#type.as_ref());
    let datetime = literal_type::Type::Simple(SimpleType::Datetime.into());
    if kind.and_then(|kind| kind.r#type.as_ref()) == Some(&datetime) {
        return Ok(());
    }
    let kind = kind
        .map(|kind| dynamic::untyped("flyteidl.core.LiteralType", kind))
        .transpose()?;
    let kind = kind
        .as_ref()
        .map_or_else(|| "<nil>".to_owned(), text::message);
    Err(AdminError::invalid(format!(
        "KickoffTimeInputArg must reference a datetime input. [{kickoff}] is a [{kind}]"
    )))
}

/// Somebody is told, and of an end.
pub fn notifications(notifications: &[Notification]) -> Answer<()> {
    for notification in notifications {
        let recipients = match &notification.r#type {
            Some(Type::Email(email)) => &email.recipients_email,
            Some(Type::PagerDuty(pager)) => &pager.recipients_email,
            Some(Type::Slack(slack)) => &slack.recipients_email,
            None => return Err(AdminError::bad_value("notification type")),
        };
        if recipients.is_empty() {
            return Err(AdminError::missing("recipients"));
        }
        for recipient in recipients {
            validate::required(recipient, "recipient")?;
        }
        let terminal = |phase: &i32| TERMINAL.iter().any(|end| *end as i32 == *phase);
        if !notification.phases.iter().all(terminal) {
            return Err(AdminError::bad_value("phase"));
        }
    }
    Ok(())
}
