"""The tasks of a small nightly load: none of them is ever run here, they are packaged and registered."""

from datetime import timedelta
from typing import List

from flytekit import Resources, task


@task(retries=3, timeout=timedelta(minutes=10), requests=Resources(cpu="200m", mem="256Mi"))
def extract(table: str, limit: int) -> List[str]:
    return [f"{table}-{row}" for row in range(limit)]


@task(cache=True, cache_version="1")
def clean(rows: List[str]) -> List[str]:
    return [row.strip() for row in rows if row]


@task
def enrich(rows: List[str], suffix: str = "!") -> List[str]:
    return [row + suffix for row in rows]


@task(environment={"TARGET": "warehouse"})
def load(rows: List[str]) -> int:
    return len(rows)


@task
def report(table: str, count: int) -> str:
    return f"{table}: {count} rows"
