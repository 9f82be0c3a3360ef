"""Tasks in Python: what they may ask for, and what may go in and out."""

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Dict, List, NamedTuple, Optional, Union

from flytekit import (
    Cache,
    Documentation,
    HashMethod,
    PodTemplate,
    Resources,
    Secret,
    dynamic,
    eager,
    task,
)
from flytekit.extras.accelerators import A100
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from flytekit.types.structured import StructuredDataset
from kubernetes.client import (
    V1Container,
    V1EnvVar,
    V1PodSpec,
    V1ResourceRequirements,
    V1Toleration,
)

Pair = NamedTuple("Pair", left=int, right=str)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Window:
    start: datetime
    length: timedelta
    tags: Dict[str, List[str]]


@task(
    requests=Resources(cpu="100m", mem="128Mi", ephemeral_storage="1Gi"),
    limits=Resources(cpu="500m", mem="512Mi", gpu="1"),
    retries=3,
    timeout=timedelta(minutes=30),
    cache=Cache(version="1", serialize=True, ignored_inputs=("n",)),
    environment={"LEVEL": "info", "EMPTY": ""},
    secret_requests=[
        Secret(group="production", key="api-key", mount_requirement=Secret.MountType.FILE),
        Secret(group="production", key="token", mount_requirement=Secret.MountType.ENV_VAR),
    ],
    interruptible=True,
    deprecated="use another",
    docs=Documentation(short_description="Counts — с осторожностью ☂"),
    enable_deck=True,
)
def careful(n: int = 3) -> List[int]:
    return list(range(n))


@task(accelerator=A100.partition_2g_10gb, container_image="{{.image.gpu.fqn}}:{{.image.gpu.version}}", shared_memory="2Gi")
def on_a_gpu(x: float) -> float:
    return x


@task
def double(x: int) -> int:
    return x * 2


@task
def scale(x: int, by: int) -> int:
    return x * by


@task
def pair(x: int) -> Pair:
    return Pair(x, str(x))


@task
def typed(
    colour: Colour,
    window: Window,
    either: Union[int, str],
    moment: datetime = datetime(2024, 2, 29, 12, 0, 0),
    maybe: Optional[Dict[str, int]] = None,
    text: str = "naïve \N{SNOWMAN}\n\ttext",
) -> Dict[str, List[Optional[str]]]:
    return {text: [None]}


@task
def data(
    file: FlyteFile["csv"],
    folder: FlyteDirectory,
    table: Annotated[StructuredDataset, "parquet"],
) -> Annotated[str, HashMethod(str)]:
    return str(table)


@task(
    pod_template=PodTemplate(
        primary_container_name="primary",
        labels={"team": "data"},
        annotations={"acme.example/cost": "low"},
        pod_spec=V1PodSpec(
            containers=[
                V1Container(
                    name="primary",
                    env=[V1EnvVar(name="MODE", value="fast")],
                    resources=V1ResourceRequirements(requests={"cpu": "1000m", "memory": "0.5Gi"}),
                ),
                V1Container(name="sidecar", image="ghcr.io/acme/sidecar:v3", args=["--watch"]),
            ],
            tolerations=[V1Toleration(key="spot", operator="Exists", effect="NoSchedule")],
            node_selector={"zone": "a"},
        ),
    )
)
def in_a_pod(x: int) -> int:
    return x


@task(pod_template_name="large", labels={"tier": "gold"}, annotations={"note": "ünïcode"})
def in_a_named_pod(x: int) -> int:
    return x


@task
def cleanup(x: int) -> None:
    print("cleaning", x)


@task
def nothing() -> None:
    """Neither takes nor gives anything."""


@dynamic(cache=True, cache_version="1")
def fan_out(n: int) -> List[int]:
    return [double(x=i) for i in range(n)]


@eager
async def as_it_goes(n: int) -> int:
    return await double(x=n)


@task
def größe_und_数据清洗(größe: int) -> int:
    return größe


@task
def a_name_that_says_in_so_many_words_what_the_task_does_that_no_file_system_of_a_tape_archive_holds_it_without_an_extension(x: int) -> int:
    return x
