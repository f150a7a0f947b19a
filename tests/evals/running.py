"""A run in a folder, over a scripted gateway."""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.evals.suites import suite_of

from trimtab.evals.answering import OfPrompt
from trimtab.evals.calling import Judging, Reply
from trimtab.evals.journal import Head, Journal
from trimtab.evals.manifest import make_metrics
from trimtab.evals.paced import Paced
from trimtab.evals.purse import Purse
from trimtab.evals.result import Arm, Run, Sample, Subject
from trimtab.evals.run import Runner
from trimtab.evals.suite import Suite
from trimtab.evals.throttle import Throttle
from trimtab.evals.work import Side, Work
from trimtab.testing import FrozenClock, ScriptedGateway

Say = Callable[[str, Any], Reply | Exception]


def says(text: str, *, nano: int | None = 1000, model: str = "sim/large-1") -> Reply:
    """An answer of the chat completions route."""
    body = {
        "choices": [{"message": {"content": text}}],
        "usage": {"completion_tokens": len(text)},
    }
    return Reply(
        status=200, body=json.dumps(body).encode(), cost_nano=nano, model=model, request_id="r_1"
    )


def refuses(status: int, code: str, **members: Any) -> Reply:  # noqa: ANN401
    """A refusal of the gateway."""
    error = {"error": {"code": code, "message": f"{code} happened"}}
    return Reply(status=status, body=json.dumps(error).encode(), **members)


def subject(version: str) -> Subject:
    """A version of a prompt."""
    return Subject(
        name=f"rag@{version}",
        prompt="rag",
        prompt_version=version,
        prompt_hash=f"hash of {version}",
        model="answers",
    )


class Running:
    """A run that can be begun, killed and gone on with. Its clock only moves when it waits."""

    def __init__(self, folder: Path, suite: Suite, say: Say, **members: Any) -> None:  # noqa: ANN401
        self.folder = folder
        self.suite = suite
        self.gateway = ScriptedGateway(say)
        self.clock = FrozenClock()
        self.at_once: int = members.get("at_once", 4)
        self.max_nano: int | None = members.get("max_nano")
        self.known: Mapping[tuple[str, int], Sample] = members.get("known", {})
        self.alone: bool = members.get("alone", False)
        self.judging: Judging | None = members.get("judging")
        self.purse = Purse()
        self.runner: Runner | None = None

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def run(self) -> Run:
        """Run it until it ends, one way or the other."""
        self.purse = Purse(max_nano=self.max_nano, patience=10)
        throttle = Throttle(self.at_once, self.clock, self.sleep)
        paced = Paced(
            gateway=self.gateway,
            throttle=throttle,
            purse=self.purse,
            clock=self.clock,
            random=random.Random(7),  # noqa: S311
            sleep=self.sleep,
        )
        sides = {Arm.CANDIDATE: Side(subject=subject("2.0.0"), answering=self._of(paced, "2.0.0"))}
        if not self.alone:
            sides[Arm.BASELINE] = Side(
                subject=subject("1.0.0"), answering=self._of(paced, "1.0.0"), known=self.known
            )
        baseline = sides.get(Arm.BASELINE)
        head = Head(
            run_id="ev_1",
            file=self.suite.file,
            suite_hash="suite",
            candidate=sides[Arm.CANDIDATE].subject,
            baseline=None if baseline is None else baseline.subject,
        )
        work = Work(
            head=head,
            suite=self.suite,
            metrics=make_metrics(self.suite),
            sides=sides,
            judging=self.judging,
        )
        journal = Journal(self.folder, "ev_1")
        try:
            self.runner = Runner(work, journal, self.purse, self.clock)
            return await self.runner.run(self.at_once)
        finally:
            journal.close()

    def _of(self, gateway: Paced, version: str) -> OfPrompt:
        return OfPrompt(
            gateway=gateway, prompt="rag", version=version, model="answers", variables={}
        )


def running(
    folder: Path,
    say: Say,
    rows: list[dict[str, Any]],
    body: str = "metrics: {exact_match: {}}\n",
    **members: Any,  # noqa: ANN401
) -> Running:
    """A run of a few rows."""
    return Running(folder, suite_of(folder, body, rows), say, **members)
