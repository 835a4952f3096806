"""A run to report on, and a small stand-in for a Weights & Biases server."""

import dataclasses
import gzip
import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from snnjax.sinks import Evaluation, RunInfo
from snnjax.sinks.wandb_run import OUTAGE


@pytest.fixture
def run(tmp_path: Path) -> RunInfo:
    return RunInfo(
        name="digits-snn-s0",
        folder=tmp_path / "run",
        epochs=50,
        monitor="accuracy",
        maximize=True,
        split="validation",
        config={"seed": 0, "model": {"name": "snn"}},
        fingerprint="abc123",
    )


@pytest.fixture
def make_run(run: RunInfo) -> Callable[..., RunInfo]:
    return lambda **changes: dataclasses.replace(run, **changes)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


def epoch_of(epoch: int, accuracy: float) -> list[Evaluation]:
    """Make what a run writes after an epoch."""
    return [
        Evaluation(epoch, 10 * epoch, split, {"loss": 1 / epoch, "accuracy": accuracy})
        for split in ("train", "validation")
    ]


@pytest.fixture(name="epoch_of")
def _epoch_of() -> Callable[[int, float], list[Evaluation]]:
    return epoch_of


class WandbServer:
    """Answer what wandb asks while a run is uploaded, and keep the history it sends."""

    def __init__(self) -> None:
        self.history: list[dict[str, Any]] = []
        self.uploads: dict[str, bytes] = {}
        self.operations: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:
                    self.close_connection = True

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                reply = json.dumps(server.reply(self.command, self.path, body)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            do_GET = do_POST = do_PUT = answer  # noqa: N815

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Die: later connections are refused."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def reply(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        if path == "/graphql":
            query = json.loads(body)
            return {"data": self._graphql(query["operationName"], query["variables"])}
        if path.endswith("/file_stream"):
            files = json.loads(body).get("files") or {}
            lines = files.get("wandb-history.jsonl", {}).get("content", [])
            self.history += [json.loads(line) for line in lines]
        elif method == "PUT":
            self.uploads[path.rpartition("/")[2]] = body
        return {}

    def _graphql(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        self.operations.append(operation)
        if operation == "Viewer":
            teams: dict[str, Any] = {"edges": []}
            viewer = {"id": "u", "entity": "me", "username": "me", "flags": "{}", "teams": teams}
            return {"viewer": viewer}
        if operation == "UpsertBucket":
            project = {"id": "p", "name": "snnjax", "entity": {"id": "e", "name": "me"}}
            bucket = {"id": "b", "name": variables["name"], "project": project}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if operation == "CreateRunFiles":
            files = [{"name": f, "uploadUrl": f"{self.url}/up/{f}"} for f in variables["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        return {}


@pytest.fixture
def server() -> Iterator[WandbServer]:
    server = WandbServer()
    yield server
    server.stop()


def living_services() -> set[int]:
    """List the wandb processes that this one started."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if name.startswith("wandb") and int(parent) == os.getpid() and state != "Z":
            found.add(int(stat.parent.name))
    return found


@pytest.fixture
def wandb(tmp_path, monkeypatch):
    """Keep wandb inside `tmp_path`, and leave no process of it behind."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "home" / name.lower()))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "")  # so that what the sink sets is undone
    monkeypatch.delenv("WANDB_ERROR_REPORTING")
    OUTAGE.end()
    import wandb

    yield wandb
    wandb.teardown()
    OUTAGE.end()
    assert living_services() == set()
