"""Two workflows, one within the other, and a schedule for the outer one."""

from typing import List

from flytekit import CronSchedule, LaunchPlan, workflow

from etl.tasks import clean, enrich, extract, load, report


@workflow
def prepare(table: str, limit: int) -> List[str]:
    return enrich(rows=clean(rows=extract(table=table, limit=limit)))


@workflow
def nightly_load(table: str = "orders", limit: int = 1000) -> str:
    count = load(rows=prepare(table=table, limit=limit))
    return report(table=table, count=count)


nightly = LaunchPlan.get_or_create(
    nightly_load,
    "etl.workflows.nightly",
    fixed_inputs={"table": "orders"},
    default_inputs={"limit": 500},
    schedule=CronSchedule(schedule="0 2 * * *"),
)
