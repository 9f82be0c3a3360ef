"""Writes the descriptors of the installed flyteidl package as a FileDescriptorSet.

    python flyteidl_descriptors.py OUT

What our own .proto files are compared with, see proto/tests.
"""

import pathlib
import sys

from flyteidl.service import admin_pb2, auth_pb2, dataproxy_pb2, identity_pb2
from google.protobuf import descriptor_pb2


def main():
    out = pathlib.Path(sys.argv[1])
    files = descriptor_pb2.FileDescriptorSet()
    seen = set()

    def add(file):
        if file.name in seen:
            return
        seen.add(file.name)
        for dependency in file.dependencies:
            add(dependency)
        file.CopyToProto(files.file.add())

    for module in (admin_pb2, auth_pb2, dataproxy_pb2, identity_pb2):
        add(module.DESCRIPTOR)

    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_suffix(".tmp")
    temporary.write_bytes(files.SerializeToString(deterministic=True))
    temporary.replace(out)


if __name__ == "__main__":
    main()
