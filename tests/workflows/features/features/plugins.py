"""Tasks that flytekit's plugins would bring: a custom part, SQL, other containers, a shell, a sensor."""

from dataclasses import dataclass
from typing import Any, Dict

from flytekit import ContainerTask, PythonFunctionTask, SQLTask, kwtypes, task
from flytekit.configuration import SerializationSettings
from flytekit.core.task import TaskPlugins
from flytekit.extras.tasks.shell import OutputLocation, ShellTask
from flytekit.models.task import Sql
from flytekit.sensor.file_sensor import FileSensor
from flytekit.types.file import FlyteFile
from flytekit.types.structured import StructuredDataset
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct


@dataclass
class Cluster:
    workers: int
    options: Dict[str, Any]


class ClusterTask(PythonFunctionTask[Cluster]):
    """Runs on a cluster that is made for it, as with Spark or Ray."""

    def __init__(self, task_config: Cluster, task_function, **kwargs):
        super().__init__(task_config, task_function, task_type="acme_cluster", task_type_version=2, **kwargs)

    def get_custom(self, settings: SerializationSettings) -> Dict[str, Any]:
        custom = Struct()
        custom.update({"workers": self.task_config.workers, **self.task_config.options})
        return json_format.MessageToDict(custom)

    def get_config(self, settings: SerializationSettings) -> Dict[str, str]:
        return {"queue": "batch", "größe": "groß"}


TaskPlugins.register_pythontask_plugin(Cluster, ClusterTask)


@task(task_config=Cluster(3, {"nested": {"list": [1, 2.5, None, True, "x"], "leer": {}}}))
def on_a_cluster(x: int) -> int:
    return x


class Query(SQLTask[None]):
    """A query that the backend runs: no container."""

    def get_sql(self, settings: SerializationSettings) -> Sql:
        return Sql(statement=self.query_template, dialect=Sql.Dialect.ANSI)

    def get_custom(self, settings: SerializationSettings) -> Dict[str, Any]:
        return {"schema": "orders", "timeout": 1e300}


query = Query(
    name="features.query",
    task_type="acme_sql",
    query_template="SELECT * FROM orders WHERE day = '{{ .inputs.day }}' AND land = 'Österreich'",
    inputs=kwtypes(day=str),
    outputs=kwtypes(results=StructuredDataset),
)
raw = ContainerTask(
    name="features.raw_container",
    image="ghcr.io/acme/raw:v2",
    input_data_dir="/var/inputs",
    output_data_dir="/var/outputs",
    inputs=kwtypes(x=int),
    outputs=kwtypes(y=int),
    environment={"A": "B"},
    command=["/bin/sh", "-c", "echo $(( {{.inputs.x}} + 1 )) > /var/outputs/y"],
)
shell = ShellTask(
    name="features.shell",
    script="echo {inputs.x} > {outputs.f}",
    inputs=kwtypes(x=int),
    output_locs=[OutputLocation(var="f", var_type=FlyteFile, location="/tmp/f.txt")],
)
arrived = FileSensor(name="features.arrived")
