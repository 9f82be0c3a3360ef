"""Launch plans with all that they may say."""

from datetime import timedelta

from flytekit import (
    Annotations,
    AuthRole,
    ConcurrencyLimitBehavior,
    ConcurrencyPolicy,
    CronSchedule,
    Email,
    FixedRate,
    Labels,
    LaunchPlan,
    PagerDuty,
    Slack,
    WorkflowExecutionPhase,
)
from flytekit.models.common import RawOutputDataConfig

from features.workflows import by_hand, everything, gated, guarded, guarded_by_a_workflow, uses_references

nightly = LaunchPlan.get_or_create(
    everything,
    "features.nightly",
    default_inputs={"n": 5},
    fixed_inputs={"name": "Nacht"},
    schedule=CronSchedule(schedule="0 2 * * *"),
    notifications=[
        Email(phases=[WorkflowExecutionPhase.FAILED], recipients_email=["ops@acme.example"]),
        Slack(phases=[WorkflowExecutionPhase.SUCCEEDED], recipients_email=["ops@acme.slack.example"]),
        PagerDuty(phases=[WorkflowExecutionPhase.TIMED_OUT], recipients_email=["ops@pager.example"]),
    ],
    labels=Labels({"team": "data"}),
    annotations=Annotations({"acme.example/für": "die Nacht"}),
    max_parallelism=7,
    overwrite_cache=True,
    raw_output_data_config=RawOutputDataConfig("s3://acme/raw"),
    auth_role=AuthRole(kubernetes_service_account="runner"),
)
often = LaunchPlan.get_or_create(
    guarded, "features.every_ten_minutes", default_inputs={"x": 2}, schedule=FixedRate(duration=timedelta(minutes=10))
)
daily = LaunchPlan.get_or_create(
    guarded_by_a_workflow, "features.every_other_day", fixed_inputs={"x": 2}, schedule=FixedRate(duration=timedelta(days=2))
)
hourly = LaunchPlan.get_or_create(
    gated,
    "features.hourly",
    fixed_inputs={"x": 1},
    schedule=CronSchedule(schedule="@hourly"),
    concurrency=ConcurrencyPolicy(max_concurrency=1, behavior=ConcurrencyLimitBehavior.SKIP),
)
elsewhere = LaunchPlan.get_or_create(uses_references, "features.auf-Abruf-für-später", fixed_inputs={"x": 1})
hand = LaunchPlan.get_or_create(by_hand, "features.by_hand_" + "long_" * 20)
