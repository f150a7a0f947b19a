"""What the registry and the prompt files of a project know of the prompts of a run."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from trimtab import wiring
from trimtab.cli.prompts.ask import by
from trimtab.control.prompts import Prompts
from trimtab.domain.errors import TrimtabError
from trimtab.domain.prompt import PromptVersion
from trimtab.evals.deciding import evidence_of
from trimtab.evals.judgement import Judgement
from trimtab.evals.report.annotations import Spot
from trimtab.evals.report.markdown import PromptChange
from trimtab.evals.result import Run, Subject
from trimtab.registry.diff import compare, lines
from trimtab.registry.partials import flatten
from trimtab.wiring.registry import prompt_paths, read_prompts, registry


@dataclass(frozen=True, slots=True)
class Known:
    """Versions by the hash of their content, and the files some are in."""

    versions: Mapping[str, PromptVersion] = field(default_factory=dict[str, PromptVersion])
    files: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, home: Path) -> "Known":
        """Look at the registry and at the project; what cannot be read is not known."""
        prompts = Prompts()
        with suppress(TrimtabError, OSError):
            if wiring.has_control(home):
                prompts = asyncio.run(registry(home).prompts())
        versions = {it.hash: it for named in prompts.versions.values() for it in named.values()}
        files = dict[str, str]()
        with suppress(TrimtabError, OSError):
            for it in read_prompts(prompt_paths(wiring.load_settings(None))):
                made = it.published_as(flatten(it.content, it.partials, prompts.find))
                _ = versions.setdefault(made.hash, made)
                files[made.hash] = it.path
        return cls(versions, files)

    def change(self, before: Subject, after: Subject) -> PromptChange | None:
        """Compare the prompts of two subjects; see `markdown.Change`."""
        old, new = (self.versions.get(it.prompt_hash or "") for it in (before, after))
        if old is None or new is None or old.hash == new.hash:
            return None
        found = compare(old, new)
        return PromptChange(
            required=str(found.required.bump),
            declared=f"{old.version} -> {new.version}",
            enough=found.enough,
            lines=tuple(lines(found)),
        )

    def spot(self, run: Run) -> Spot:
        """Say which file of the project a verdict is about."""
        return Spot(self.files.get(run.candidate.prompt_hash or "", run.file))


async def attach(judgement: Judgement, home: Path) -> str:
    """Attach a verdict to the published version that it is about; say so, or give "".

    What was attached before is not attached again.
    """
    evidence = evidence_of(judgement, wiring.now_us())
    if evidence is None or not wiring.has_control(home):
        return ""
    opened = registry(home)
    prompts = await opened.prompts()
    known = {it.hash: it for named in prompts.versions.values() for it in named.values()}
    if evidence.hash not in known:
        return ""
    if evidence in prompts.evidence.get(evidence.hash, ()):
        return f"evidence: {known[evidence.hash].ref} has this verdict already"
    change = await opened.add_evidence(evidence, by(f"evals gate, run {judgement.run.run_id}"))
    return f"evidence: {judgement.verdict} of {known[evidence.hash].ref}   change {change.seq}"
