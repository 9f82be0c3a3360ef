"""What other packages refer to: a task, and a launch plan of a workflow. Registered before them, elsewhere."""

from flytekit import LaunchPlan, task, workflow


@task
def clean(x: int) -> int:
    return abs(x)


@workflow
def refresh(x: int) -> int:
    return clean(x=x)


refreshed = LaunchPlan.get_or_create(refresh, "shared.nightly-refresh", default_inputs={"x": 1})
