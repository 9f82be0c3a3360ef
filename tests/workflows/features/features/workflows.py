"""Workflows with nodes of every kind."""

from datetime import timedelta
from functools import partial
from typing import List, Optional

from flytekit import (
    LaunchPlan,
    Resources,
    Workflow,
    WorkflowFailurePolicy,
    approve,
    conditional,
    map_task,
    sleep,
    wait_for_input,
    workflow,
)
from flytekit.core.node_creation import create_node

from features.elsewhere import clean_before, clean_elsewhere, refresh_elsewhere
from features.plugins import arrived, on_a_cluster, query, raw, shell
from features.tasks import (
    Pair,
    a_name_that_says_in_so_many_words_what_the_task_does_that_no_file_system_of_a_tape_archive_holds_it_without_an_extension,
    careful,
    cleanup,
    double,
    fan_out,
    größe_und_数据清洗,
    in_a_named_pod,
    in_a_pod,
    nothing,
    on_a_gpu,
    pair,
    scale,
)


@workflow
def innermost(n: int) -> int:
    return double(x=n)


@workflow
def inner(n: int) -> int:
    return innermost(n=in_a_named_pod(x=n))


@workflow(on_failure=cleanup, failure_policy=WorkflowFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE)
def guarded(x: int = 1) -> int:
    changed = in_a_pod(x=x).with_overrides(
        requests=Resources(cpu="200m"), container_image="ghcr.io/acme/other:v9", timeout=timedelta(minutes=1)
    )
    return double(x=changed)


@workflow(on_failure=guarded, interruptible=True)
def guarded_by_a_workflow(x: int = 1) -> int:
    return double(x=x).with_overrides(interruptible=False, cache=True, cache_version="2", retries=4)


@workflow
def gated(x: int) -> int:
    waited = sleep(timedelta(seconds=10))
    answer = wait_for_input("answer", timeout=timedelta(hours=1), expected_type=int)
    ok = approve(answer, "sure", timeout=timedelta(hours=1))
    waited >> answer
    return double(x=ok)


@workflow
def chosen(y: int) -> int:
    deeper = (
        conditional("deeper")
        .if_((y > 100) & (y < 1000))
        .then(innermost(n=y))
        .else_()
        .then(in_a_pod(x=y))
    )
    return (
        conditional("size")
        .if_(y > 10)
        .then(double(x=deeper))
        .elif_((y == 0) | (y == 1))
        .then(inner(n=y))
        .else_()
        .fail("too small")
    )


@workflow
def mapped(xs: List[int], by: int) -> List[Optional[int]]:
    once = map_task(double, concurrency=4)(x=xs)
    return map_task(partial(scale, by=by), min_success_ratio=0.9)(x=once)


each = LaunchPlan.get_or_create(guarded, "features.each", default_inputs={"x": 4})


@workflow
def launches(x: int) -> int:
    return each(x=x)


@workflow
def everything(n: int = 3, name: str = "a") -> Pair:
    """All in one. Über alles: 一切."""
    xs = careful(n=n)
    fan = fan_out(n=n)
    y = inner(n=n)
    on_a_gpu(x=0.5)
    nested = guarded(x=chosen(y=y))
    c = raw(x=on_a_cluster(x=nested))
    shell(x=c).with_overrides(node_name="the-shell", retries=2)
    query(day=name)
    arrived(path="s3://acme/there")
    again = guarded_by_a_workflow(x=a_name_that_says_in_so_many_words_what_the_task_does_that_no_file_system_of_a_tape_archive_holds_it_without_an_extension(x=c))
    ys = mapped(xs=xs, by=2)
    ys >> fan
    create_node(nothing) >> create_node(cleanup, x=c)
    return pair(x=größe_und_数据清洗(größe=again))


@workflow
def uses_references(x: int) -> int:
    return refresh_elsewhere(x=clean_elsewhere(x=clean_before(x=x)))


@workflow
def ablauf_für_die_größe(x: int) -> int:
    return größe_und_数据清洗(größe=x)


by_hand = Workflow(name="features.by_hand")
by_hand.add_workflow_input("x", int)
first = by_hand.add_entity(double, x=by_hand.inputs["x"])
second = by_hand.add_subwf(inner, n=first.outputs["o0"])
by_hand.add_workflow_output("y", second.outputs["o0"])
