"""A real Arize Phoenix on 127.0.0.1; `make test-phoenix` builds its environment."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

START_S = 180.0  # it takes 18 s of a processor
PROJECT = "shop"
PROGRAM = Path(__file__).parents[1] / ".venv" / "phoenix" / "bin" / "phoenix"

_ADD_MODEL = """
mutation ($model: CreateModelMutationInput!) { createModel(input: $model) { model { id } } }
"""
_SPANS = """
query { projects { edges { node { name spans(first: 1000) { edges { node {
    spanId parentId name spanKind statusCode attributes
    tokenCountTotal tokenCountPrompt tokenCountCompletion
    tokenPromptDetails { cacheRead cacheWrite }
    costSummary { total { cost tokens } prompt { cost } completion { cost } }
    trace { traceId session { sessionId } } events { name } } } } } } } }
"""


class Phoenix:
    """A Phoenix with its files in a directory. State: its process."""

    def __init__(self, home: Path, port: int, grpc_port: int) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._environ = {
            **os.environ,
            "PHOENIX_WORKING_DIR": str(home),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(grpc_port),
            "PHOENIX_TELEMETRY_ENABLED": "false",
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        }

    def start(self) -> None:
        """Run it until it serves."""
        program = os.environ.get("TRIMTAB_PHOENIX", str(PROGRAM))
        self.home.mkdir(exist_ok=True)
        with (self.home / "phoenix.log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "serve"], env=self._environ, stdout=log, stderr=subprocess.STDOUT
            )
        end = time.monotonic() + START_S
        while not self._serves():
            assert time.monotonic() < end, (self.home / "phoenix.log").read_text()[-2000:]
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop it as a service manager would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(START_S)
            self.process = None

    def spent_s(self) -> float:
        """Tell how many seconds of a processor it took so far."""
        assert self.process is not None
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def _serves(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:  # noqa: S310
                return answer.status == 200
        except OSError:
            return False

    def add_model(self, name: str, pattern: str, per_million: Mapping[str, float]) -> None:
        """Tell it what a model costs: US dollars for a million tokens, by their kind."""
        costs = [
            {
                "tokenType": kind,
                "costPerMillionTokens": price,
                "kind": "COMPLETION" if kind == "output" else "PROMPT",
            }
            for kind, price in per_million.items()
        ]
        model = {"name": name, "namePattern": pattern, "costs": costs}
        self._graphql(_ADD_MODEL, {"model": model})

    def spans(self) -> list[dict[str, Any]]:
        """Read up to 1,000 spans of the project, with all that its pages show of them."""
        told = self._graphql(_SPANS, {})
        nodes = {it["node"]["name"]: it["node"] for it in told["projects"]["edges"]}
        edges = nodes[PROJECT]["spans"]["edges"] if PROJECT in nodes else ()
        found: list[dict[str, Any]] = [edge["node"] for edge in edges]
        return [{**it, "attributes": json.loads(it["attributes"])} for it in found]

    def traces(self, **where: str) -> list[dict[str, Any]]:
        """Read up to 1,000 traces of the project, with the outlines of their spans."""
        asked = urlencode({"limit": "1000", "include_spans": "true", **where})
        path = f"/v1/projects/{PROJECT}/traces?{asked}"
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:  # noqa: S310
            told: list[dict[str, Any]] = json.load(answer)["data"]
        return told

    def _graphql(self, text: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}/graphql",
            data=json.dumps({"query": text, "variables": variables}).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            told = json.load(answer)
        assert not told.get("errors"), told["errors"]
        data: dict[str, Any] = told["data"]
        return data
