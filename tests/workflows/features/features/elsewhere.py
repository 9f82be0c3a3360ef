"""References that must stay as they are: another project, and another version in our own."""

from flytekit import reference_launch_plan, reference_task


@reference_task(project="data-warehouse", domain="production", name="shared.clean", version="2024.1")
def clean_elsewhere(x: int) -> int: ...


@reference_task(project="flytesnacks", domain="development", name="shared.clean", version="2023.9")
def clean_before(x: int) -> int: ...


@reference_launch_plan(
    project="data-warehouse", domain="production", name="shared.nightly-refresh", version="2024.1"
)
def refresh_elsewhere(x: int) -> int: ...
