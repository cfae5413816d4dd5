"""A real S3 server on loopback whose answers can be made to fail, be late or be lost; processes that publish to it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from flows.server_access import ROOT

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "noiseflow", "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_DEFAULT_REGION": "us-east-1"}
PUBLISH = """
import sys
from noiseflow.store import Store
from tests.store.test_store import batch
results, study, n, step = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
store = Store(results, study)
print("ready", flush=True)
sys.stdin.readline()
store.recover()
for first in range(0, n, step):
    store.publish(batch(f"{k:03d}" for k in range(first, first + step)), {})
"""


@dataclass
class Server:
    """The server; its fields say how the next requests go wrong, while `failing` says that they do."""

    application: Any
    status: str = ""
    delay: float = 0.0
    loses_answers: bool = False
    failing: Callable[[dict[str, Any]], bool] = lambda environ: False
    met: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0

    @property
    def environment(self) -> dict[str, str]:
        return CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not self.failing(environ):
            return self._answer(environ, start_response)
        self.met.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        if self.loses_answers:
            self._answer(environ, lambda *_: None)
        time.sleep(self.delay)
        if not self.status:
            return self._answer(environ, start_response)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) if not self.loses_answers else None
        start_response(self.status, [("Content-Type", "text/plain"), ("Content-Length", "4")])
        return [b"oops"]

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self.lock:  # S3 decides a conditional put at once; moto looks first and stores later
            return list(self.application(environ, start_response))

    def healthy(self) -> None:
        self.status, self.delay, self.loses_answers, self.met = "", 0.0, False, []
        self.failing = lambda environ: False


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None: ...


@contextmanager
def s3_server() -> Iterator[Server]:
    """A server with the bucket `bucket`, up."""
    server = Server(DomainDispatcherApplication(create_backend_app))
    serving = make_server("127.0.0.1", 0, server, threaded=True, request_handler=_Quiet)
    server.port = serving.server_address[1]
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    try:
        endpoint = server.environment["AWS_ENDPOINT_URL"]
        session = boto3.Session("noiseflow", CREDENTIALS["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
        client = session.client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket="bucket")
        client.close()
        yield server
    finally:
        serving.shutdown()
        thread.join()
        serving.server_close()


def publish_at_once(environment: dict[str, str], jobs: Iterable[tuple[str, str, int, int]]) -> None:
    """Publishes made trials from one process each, all set off together; jobs: results, study, number of trials, batch size."""
    with ExitStack() as stack:
        processes = [stack.enter_context(_publisher(environment, job)) for job in jobs]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.wait(timeout=300) for process in processes] == [0] * len(processes)


def _publisher(environment: dict[str, str], job: tuple[str, str, int, int]) -> subprocess.Popen[str]:
    """A process that waits for a line; what it writes to standard error is shown where a test fails."""
    return subprocess.Popen(
        [sys.executable, "-c", PUBLISH, *map(str, job)],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
