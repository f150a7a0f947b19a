"""Who is compared with whom in a run, and who answers for them."""

import os
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace
from semver import Version

from trimtab import wiring
from trimtab.domain.errors import PromptNotFound, SettingsInvalid
from trimtab.domain.prompt import PRODUCTION
from trimtab.evals.answering import Answering, OfPrompt
from trimtab.evals.calling import Gateway, Judging
from trimtab.evals.estimate import Asked
from trimtab.evals.metrics.base import Metric
from trimtab.evals.purse import Purse
from trimtab.evals.result import Arm, Subject
from trimtab.evals.reuse import answers_of, find_answers
from trimtab.evals.suite import Suite, Target
from trimtab.evals.targets import (
    OfFunction,
    OfProgram,
    OfService,
    Posting,
    Turn,
    code_hash,
    find_function,
    program_hash,
)
from trimtab.evals.throttle import Throttle
from trimtab.evals.work import Side
from trimtab.registry.format import PromptFile, read_file
from trimtab.wiring.eval_gateway import Opened, check_url
from trimtab.wiring.eval_prompts import Found, Library
from trimtab.wiring.eval_store import RUN_PREFIX, read_stored, stored_runs
from trimtab.wiring.git import text_at
from trimtab.wiring.registry import read_prompts

NONE, OF_GIT = "none", "git:"


class Wanted(Struct, frozen=True, kw_only=True):
    """What is to be compared with what.

    Attributes:
        candidate: `NAME@VERSION`, `NAME@LABEL` or `NAME`; "" is the newest version of the suite's
            prompt, or the project's own file where there is none or the baseline is in git.
        prompt: A prompt file that is the candidate.
        model: Another model than the suite's, for the candidate.
        baseline: A version, a label, the id of a run, `git:REF` for the prompt file as it is at a
            branch or commit, or `none`; "" is what production says.
        reuse: Whether what the baseline answered before may count.
        max_usd: What a run may cost; `None` is what the suite says.
    """

    candidate: str = ""
    prompt: Path | None = None
    model: str = ""
    baseline: str = ""
    reuse: bool = True
    concurrency: int = 16
    max_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What one run is made with."""

    run_id: str
    purse: Purse
    throttle: Throttle
    paced: Gateway
    posting: Posting
    threads: Executor
    judging: Judging | None
    metrics: Mapping[str, Metric]
    suite_hash: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """An arm, the prompt that it uses, and what people must know of it.

    Attributes:
        side: `None` if there is nobody.
        unpaired: Cases that it answered in another form, or not at all.
    """

    side: Side | None = None
    found: Found | None = None
    unpaired: tuple[str, ...] = ()
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Finds the arms of a run."""

    home: Path
    at: Opened
    library: Library
    suite: Suite
    target: Target
    tools: Tools

    async def candidate(self, wanted: Wanted) -> tuple[Side, Found | None]:
        """Find the candidate.

        Raises:
            PromptNotFound: there is no such version.
            SettingsInvalid: its file, or its code, cannot be used.
        """
        if wanted.model and self._own:
            raise SettingsInvalid(f"'{self._own}' chooses its model by itself; leave out --model")
        found = None
        if file := self._file(wanted):
            before = _before(file, wanted)
            if before is not None:
                # Numbers only rise.
                await self.library.take(before)
            found = await self.library.take(file)
        elif text := self._named(wanted):
            found = await self._found(*text.partition("@")[::2])
        subject = self._subject(found, wanted.model)
        return Side(subject=subject, answering=self._who(found, subject)), found

    async def baseline(self, wanted: Wanted, candidate: Subject) -> Chosen:
        """Find whom the candidate is compared with, and what that one answered lately.

        Raises:
            PromptNotFound: what was asked for is not there.
            NotFound: there is no such run.
        """
        text = wanted.baseline
        if text == NONE:
            return Chosen()
        if text.startswith(RUN_PREFIX):
            return self._of_run(text)
        if text.startswith(OF_GIT):
            return await self._of_git(wanted, candidate)
        found = None
        if candidate.prompt is not None:
            name, _, at = text.rpartition("@")
            try:
                found = await self.library.find(name or candidate.prompt, at or PRODUCTION)
            except PromptNotFound:
                if text:
                    raise
                return Chosen(
                    warning=f"prompt '{candidate.prompt}' has no label {PRODUCTION}; there is no"
                    " baseline"
                )
        elif text:
            raise SettingsInvalid(
                f"{text[:64]!r} is no baseline of '{candidate.name}', which names no prompt; write"
                " the id of a run, or none"
            )
        return self._against(found, wanted, candidate)

    def _named(self, wanted: Wanted) -> str:
        """Write the candidate as `NAME`, `NAME@VERSION` or `NAME@LABEL`; "" if it is no prompt."""
        of_suite = self.target.prompt or ""
        text = wanted.candidate or of_suite
        return f"{of_suite.partition('@')[0]}@{text}" if Version.is_valid(text) else text

    async def _found(self, name: str, at: str) -> Found:
        """Find a version; of a prompt that the registry does not have, the project's own file."""
        try:
            return await self.library.find(name, at)
        except PromptNotFound:
            path = None if at else self.library.file_of(name)
            if path is None:
                raise
            return await self.library.take(read_prompts([path])[0])

    def _file(self, wanted: Wanted) -> PromptFile | None:
        """Read the file that the candidate is said to be: with a baseline in git, the project's."""
        path, name = wanted.prompt, self._named(wanted)
        if path is None and name and "@" not in name and wanted.baseline.startswith(OF_GIT):
            path = self.library.file_of(name)
        return None if path is None else read_prompts([path])[0]

    async def _of_git(self, wanted: Wanted, candidate: Subject) -> Chosen:
        """Compare with the prompt file as it is at a branch or commit."""
        file, at = self._file(wanted), wanted.baseline.removeprefix(OF_GIT)
        if file is None:
            return Chosen(warning=f"the candidate is no prompt file, so {at!r} gives no baseline")
        before = _before(file, wanted)
        if before is None:
            return Chosen(warning=f"'{file.path}' is not there at {at!r}; there is no baseline")
        return self._against(await self.library.take(before), wanted, candidate)

    def _against(self, found: Found | None, wanted: Wanted, candidate: Subject) -> Chosen:
        subject = self._subject(found, "")
        if replace(subject, label=candidate.label) == candidate:
            return Chosen(
                warning=f"the candidate is '{subject.name}', and so is what it would be compared"
                " with; there is no baseline"
            )
        return Chosen(self._known(found, subject, reuse=wanted.reuse), found)

    async def again(self, subject: Subject) -> Side:
        """Give the side of a run that goes on.

        Raises:
            SettingsInvalid: it is not what it was.
        """
        found = None
        if subject.prompt is not None and subject.prompt_version is not None:
            found = await self.library.find(subject.prompt, subject.prompt_version)
        if subject.reused_from is not None:
            run = read_stored(self.home, subject.reused_from)
            arm = Arm.CANDIDATE if _is_same(run.candidate, subject) else Arm.BASELINE
            reused = answers_of(run, self.suite.cases, self.tools.suite_hash, arm)
            same = run.suite_hash == self.tools.suite_hash
            answering = self._who(found, subject) if same else None
            return Side(subject=subject, answering=answering, known=reused.samples)
        now = self._subject(found, subject.model)
        if not _is_same(now, subject):
            raise SettingsInvalid(
                f"'{subject.name}' is not what it was when run '{self.tools.run_id}' began; run the"
                " suite anew"
            )
        return Side(subject=subject, answering=self._who(found, subject))

    def asked(self, subject: Subject, found: Found | None, answers: int) -> Asked:
        """Say what an arm has to answer, for the estimate."""
        choice = None if found is None else found.content.model
        return Asked(
            subject=subject,
            text="" if found is None else found.text,
            model=subject.model or (choice.id if choice and choice.id else ""),
            answers=answers,
            through_gateway=not self._own,
        )

    @property
    def _own(self) -> str:
        """The application that is run, as people call it; "" if it is a prompt or a model."""
        target = self.target
        return target.python or target.http or " ".join(target.command)

    def _of_run(self, run_id: str) -> Chosen:
        run = read_stored(self.home, run_id)
        reused = answers_of(run, self.suite.cases, self.tools.suite_hash)
        side = Side(subject=reused.subject, answering=None, known=reused.samples)
        return Chosen(side, unpaired=reused.unpaired)

    def _known(self, found: Found | None, subject: Subject, *, reuse: bool) -> Side:
        answering = self._who(found, subject)
        runs = stored_runs(self.home) if reuse else ()
        now_us = wiring.SystemClock().now_us()
        reused = find_answers(runs, subject, self.tools.suite_hash, now_us=now_us)
        if reused is None:
            return Side(subject=subject, answering=answering)
        return Side(subject=reused.subject, answering=answering, known=reused.samples)

    def _subject(self, found: Found | None, model: str) -> Subject:
        model = model or self.target.model or ""
        ref = "" if found is None else found.ref
        return Subject(
            name=" ".join(filter(None, (self._own, ref))) or model,
            prompt=None if found is None else found.name,
            prompt_version=None if found is None else found.version,
            prompt_hash=None if found is None else found.hash,
            model=model,
            label=None if found is None else found.label,
            code_hash=_code(self.target),
        )

    def _who(self, found: Found | None, subject: Subject) -> Answering:
        target, tools = self.target, self.tools
        turn = Turn(
            throttle=tools.throttle,
            purse=tools.purse,
            clock=wiring.SystemClock(),
            version=subject.prompt_version,
            url=self.at.url,
            key=self.at.key,
        )
        if target.python is not None:
            function = find_function(target.python)
            return OfFunction(function=function, turn=turn, threads=tools.threads)
        if target.http is not None:
            check_url(target.http)
            return OfService(url=target.http, turn=turn, posting=tools.posting)
        if target.command:
            return OfProgram(
                command=target.command, turn=turn, environ=os.environ, folder=Path.cwd()
            )
        return OfPrompt(
            gateway=tools.paced,
            prompt=None if found is None else found.name,
            version=None if found is None else found.version,
            model=subject.model,
            variables={} if found is None else found.schemas,
        )


def _before(file: PromptFile, wanted: Wanted) -> PromptFile | None:
    """Read a prompt file as it is where git has the baseline; `None` if that is not asked for.

    Raises:
        SettingsInvalid: it says something else there under the same number.
    """
    if not wanted.baseline.startswith(OF_GIT):
        return None
    at = wanted.baseline.removeprefix(OF_GIT)
    text = text_at(Path(file.path), at)
    if text is None:
        return None
    before = read_file(text, f"{file.path} at {at}")
    same_number = (before.name, before.version) == (file.name, file.version)
    if same_number and (before.content, before.partials) != (file.content, file.partials):
        raise SettingsInvalid(
            f"'{file.path}' says something else than at {at!r}, and has the same version"
            f" {file.version}; give it a higher one"
        )
    return before


def _code(target: Target) -> str | None:
    if target.python is not None:
        return code_hash(find_function(target.python))
    return program_hash(target.command, Path.cwd()) if target.command else None


def _is_same(one: Subject, other: Subject) -> bool:
    return (one.name, one.model, one.prompt_hash, one.code_hash) == (
        other.name,
        other.model,
        other.prompt_hash,
        other.code_hash,
    )
