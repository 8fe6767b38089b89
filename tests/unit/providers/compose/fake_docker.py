"""The program ``docker`` (``docker-compose``, ``podman``) of the tests.

It hands its call to the engine that the test runs (``fake_engine``), prints what that answers, and
ends with its status. A client that is killed breaks the connection: that is how the engine knows.
"""

import json
import os
import socket
import sys


def main(port: int) -> int:
    call = {
        "program": sys.argv[0].rpartition("/")[2],
        "arguments": sys.argv[1:],
        "environment": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109 - pathlib would double the start-up
        "pid": os.getpid(),
    }
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(json.dumps(call).encode() + b"\n")
        for line in connection.makefile("r", encoding="utf-8"):
            answer = json.loads(line)
            if "status" in answer:
                return int(answer["status"])
            stream = sys.stdout if "out" in answer else sys.stderr
            stream.write(answer.get("out") or answer["err"])
            stream.flush()
    sys.stderr.write("the engine of the tests has ended\n")
    return 70
