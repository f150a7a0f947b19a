"""Builds and makes runs of suites: through which gateway, judged by whom, at what cost."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from pathlib import Path

from trimtab import wiring
from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import BudgetExhausted, SettingsInvalid
from trimtab.domain.ids import ulid
from trimtab.domain.money import NANO_PER_USD
from trimtab.evals.estimate import Estimate, Prices, estimate
from trimtab.evals.journal import Head, Journal
from trimtab.evals.manifest import make_metrics
from trimtab.evals.paced import Paced
from trimtab.evals.purse import Purse
from trimtab.evals.result import Arm, Run, Stop
from trimtab.evals.run import Runner
from trimtab.evals.suite import Suite
from trimtab.evals.throttle import Throttle
from trimtab.evals.work import Side, Work
from trimtab.settings import DEMO
from trimtab.wiring.eval_gateway import HttpGateway, Opened, opened
from trimtab.wiring.eval_prompts import Here, Library, There
from trimtab.wiring.eval_sides import Sides, Tools, Wanted
from trimtab.wiring.eval_store import FOLDER, RUN_PREFIX, store, stored_runs
from trimtab.wiring.judge_cache import judge_cache
from trimtab.wiring.judging import judge_for
from trimtab.wiring.pricing import pricing
from trimtab.wiring.ragas import installed
from trimtab.wiring.registry import prompt_paths

FEWEST_MISSED = 10

Watch = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Shows the way of a run of so many cases: gives what is told how many are done."""


@dataclass(slots=True)
class _Paid:
    """Tells the runner, once there is one, what a call of a judge cost."""

    tell: Callable[[int | None], None] = lambda _nano: None

    def __call__(self, nano: int | None) -> None:
        self.tell(nano)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where runs are made: a gateway that listens, with a key, and what it can be asked for.

    Attributes:
        say: Tells people a sentence.
    """

    home: Path
    at: Opened
    gateway: HttpGateway
    library: Library
    snapshot: Snapshot
    prices: Prices
    say: Callable[[str], None]
    watch: Watch

    async def run(self, suite: Suite, wanted: Wanted) -> Run:
        """Run a suite.

        Raises:
            BudgetExhausted: it would cost more than it may; nothing was asked.
            SettingsInvalid: it cannot be run as written.
            PromptNotFound: what is to be compared is not there.
        """
        async with self._at(suite, wanted, new_run_id()) as (finding, paid):
            candidate, prompt = await finding.candidate(wanted)
            baseline = await finding.baseline(wanted, candidate.subject)
            warnings = (baseline.warning,) if baseline.warning else ()
            for it in warnings:
                self.say(it)
            first = suite.repeats.first * len(suite.cases)
            asked = [finding.asked(candidate.subject, prompt, first)]
            sides = {Arm.CANDIDATE: candidate}
            if baseline.side is not None:
                sides[Arm.BASELINE] = side = baseline.side
                known = sum(index < suite.repeats.first for _, index in side.known)
                left = 0 if side.answering is None else first - known
                asked.append(finding.asked(side.subject, baseline.found, left))
            before = stored_runs(self.home)
            foretold = estimate(suite, finding.tools.metrics, asked, self.prices, before)
            self._check(foretold, finding.tools.purse, suite)
            head = Head(
                run_id=finding.tools.run_id,
                file=suite.file,
                suite_hash=finding.tools.suite_hash,
                candidate=candidate.subject,
                baseline=None if baseline.side is None else baseline.side.subject,
                started_us=wiring.SystemClock().now_us(),
                unpaired=baseline.unpaired,
                warnings=warnings,
            )
            return await self._through(finding, paid, head, sides, wanted.concurrency)

    async def resume(self, suite: Suite, head: Head, wanted: Wanted) -> Run:
        """Go on with a run that ended early.

        Raises:
            SettingsInvalid: the suite, or what it is run against, is not the same any more.
        """
        async with self._at(suite, wanted, head.run_id) as (finding, paid):
            if finding.tools.suite_hash != head.suite_hash:
                raise SettingsInvalid(
                    f"'{suite.file}' has changed since run '{head.run_id}' began; run it anew"
                )
            sides = {Arm.CANDIDATE: await finding.again(head.candidate)}
            if head.baseline is not None:
                sides[Arm.BASELINE] = await finding.again(head.baseline)
            return await self._through(finding, paid, head, sides, wanted.concurrency)

    @asynccontextmanager
    async def _at(
        self, suite: Suite, wanted: Wanted, run_id: str
    ) -> AsyncGenerator[tuple[Sides, _Paid]]:
        if suite.target is None:
            raise SettingsInvalid(
                f"'{suite.file}' names no target; write `target: {{prompt: NAME, model: NAME}}`"
            )
        clock, paid = wiring.SystemClock(), _Paid()
        most = suite.gate.max_usd if wanted.max_usd is None else wanted.max_usd
        purse = Purse(
            max_nano=None if most is None else round(most * NANO_PER_USD),
            patience=max(FEWEST_MISSED, wanted.concurrency),
        )
        throttle = Throttle(wanted.concurrency, clock)
        paced = Paced(
            gateway=self.gateway,
            throttle=throttle,
            purse=purse,
            clock=clock,
            random=random.Random(),  # noqa: S311 -- spreads tries
            paid=paid,
        )
        judging = judge_for(paced, suite, run_id, self.snapshot, judge_cache(), paced=True)
        ragas = installed(self.home)
        metrics = make_metrics(suite, None if judging is None else judging.embedder, ragas)
        versions = {name: it.about.version for name, it in metrics.items()}
        judges: Mapping[str, str] = {} if judging is None else judging.seen().prompts
        async with AsyncExitStack() as stack:
            threads = stack.enter_context(ThreadPoolExecutor(wanted.concurrency))
            if ragas is not None:
                await stack.enter_async_context(ragas)
            tools = Tools(
                run_id=run_id,
                purse=purse,
                throttle=throttle,
                paced=paced,
                posting=self.gateway,
                threads=threads,
                judging=judging,
                metrics=metrics,
                suite_hash=suite.suite_hash(versions, judges),
            )
            yield (
                Sides(
                    home=self.home,
                    at=self.at,
                    library=self.library,
                    suite=suite,
                    target=suite.target,
                    tools=tools,
                ),
                paid,
            )

    def _check(self, foretold: Estimate, purse: Purse, suite: Suite) -> None:
        self.say(_told(foretold, suite))
        most = purse.max_nano
        if most is not None and foretold.nano is not None and foretold.nano > most:
            raise BudgetExhausted(
                f"suite '{suite.name}' would cost about ${foretold.nano / NANO_PER_USD:.4f}, and"
                f" may cost ${most / NANO_PER_USD:g}; raise `gate.max_usd` or --max-usd"
            )

    async def _through(
        self, finding: Sides, paid: _Paid, head: Head, sides: Mapping[Arm, Side], at_once: int
    ) -> Run:
        tools, suite = finding.tools, finding.suite
        work = Work(
            head=head, suite=suite, metrics=tools.metrics, sides=sides, judging=tools.judging
        )
        journal = Journal(self.home / FOLDER, head.run_id)
        with contextlib.closing(journal), self.watch(len(suite.cases)) as progress:
            runner = Runner(work, journal, tools.purse, wiring.SystemClock(), progress=progress)
            paid.tell = runner.paid
            with _heeding(tools.purse):
                run = await runner.run(at_once)
            store(self.home, run)
            if run.stopped is None:
                journal.remove()
        return run


@asynccontextmanager
async def bench(
    home: Path,
    config: Path | None,
    author: str,
    *,
    url: str | None,
    say: Callable[[str], None],
    watch: Watch,
) -> AsyncGenerator[Bench]:
    """Open what runs are made at, for as long as the block lasts. Raises as `opened`."""
    async with opened(home, config, new_run_id(), author, url=url) as (at, gateway):
        # What a gateway of others has configured, its answers tell.
        snapshot = await wiring.control(home).snapshot() if at.is_ours else Snapshot()
        yield Bench(
            home=home,
            at=at,
            gateway=gateway,
            library=_library(home, config, author) if at.is_ours else There(gateway, at.url),
            snapshot=snapshot,
            prices=_prices(snapshot) if at.is_ours else _unpriced,
            say=say,
            watch=watch,
        )


def new_run_id() -> str:
    """Make the id of a run."""
    return RUN_PREFIX + ulid(wiring.SystemClock().now_us() // 1000, os.urandom)


def _prices(snapshot: Snapshot) -> Prices:
    price = pricing(snapshot)

    def cost(name: str, read: int, written: int) -> int | None:
        model = snapshot.model(name)
        provider = None if model is None else snapshot.providers.get(model.to.provider)
        listed = None if model is None or provider is None else price(provider, model.to)
        if listed is None or listed.output is None:
            return None
        return (read * listed.input + written * listed.output) // 1_000_000

    return cost


def _unpriced(_model: str, _read: int, _written: int) -> int | None:
    return None


def _told(foretold: Estimate, suite: Suite) -> str:
    what = f"{suite.name}: {foretold.answers} answers"
    if foretold.verdicts:
        what += f", up to {foretold.verdicts} calls of a judge"
    if foretold.candidate_nano is None or foretold.judge_nano is None:
        return f"{what}; what they cost is not known"
    costs = f"answers ${foretold.candidate_nano / NANO_PER_USD:.4f}"
    if foretold.verdicts:
        costs += f", judge ${foretold.judge_nano / NANO_PER_USD:.4f}"
    how = "a guess" if foretold.basis is None else f"as in {foretold.basis}"
    return f"{what}; about {costs} ({how})"


@contextmanager
def _heeding(purse: Purse) -> Generator[None]:
    """Let the first interrupt end the run once the calls that run are through, the second now."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop() -> None:
        if purse.stopped is Stop.INTERRUPTED and task is not None:
            task.cancel()
        purse.stop(Stop.INTERRUPTED)

    try:
        loop.add_signal_handler(signal.SIGINT, stop)
    except (ValueError, RuntimeError, NotImplementedError):
        # Only the main thread of a program can heed interrupts.
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _library(home: Path, config: Path | None, author: str) -> Here:
    settings = wiring.load_settings(config)
    # The demo's prompts are nobody's project.
    return Here(home, author, () if settings.file == DEMO else prompt_paths(settings))
