"""Builds the judge of a suite, from prompts of ours, of the registry and of the suite's folder."""

import asyncio
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from trimtab.control.prompts import Prompts
from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import Content, Place, PromptVersion
from trimtab.domain.rendering import Compiled, compile_version
from trimtab.evals.asking import Asking
from trimtab.evals.cache import Cache
from trimtab.evals.calling import JUDGE, Gateway, place_of
from trimtab.evals.embedder import GatewayEmbedder
from trimtab.evals.judge import Court
from trimtab.evals.judging import judge_prompts
from trimtab.evals.manifest import make_metrics
from trimtab.evals.metrics.base import Metric, Need
from trimtab.evals.naming import Naming, Tally, pinned
from trimtab.evals.panel import Panel
from trimtab.evals.suite import Suite
from trimtab.registry.format import SUFFIX, read_file
from trimtab.registry.jinja import ENGINES

JUDGES = "judges"


def judge_for(
    gateway: Gateway,
    suite: Suite,
    run: str,
    snapshot: Snapshot,
    cache: Cache,
    *,
    paced: bool = False,
) -> Panel | None:
    """Build who judges a suite in a run; `None` if it names nobody, and needs nobody.

    `paced` is as in `Asking`.

    Raises:
        SettingsInvalid: a judge prompt cannot be used, or a model is not named that is needed.
    """
    setting, metrics = suite.judge, make_metrics(suite)
    _refuse_unnamed(suite, metrics)
    if setting is None:
        return None
    used = {name for it in metrics.values() for name in it.about.prompts}
    prompts = prompts_for(Path(suite.file).parent / JUDGES, snapshot.prompts)
    chance = random.Random()  # noqa: S311 -- spreads tries
    asking, tally = Asking(gateway, chance, asyncio.sleep, paced), Tally()

    def naming(model: str) -> Naming:
        return Naming(name=model, known=pinned(model, snapshot.models), cache=cache, tally=tally)

    court = Court(
        setting=setting,
        prompts={name: it for name, it in prompts.items() if name in used},
        naming=naming(setting.model),
        asking=asking,
        cache=cache,
        tally=tally,
        place=place_of(run, "probe", JUDGE, 0),
    )
    place = place_of(run, "embeddings", JUDGE, 0)
    embedder = setting.embeddings and GatewayEmbedder(
        naming=naming(setting.embeddings), asking=asking, cache=cache, place=place
    )
    return Panel(court=court, embedder=embedder or None, cache=cache, tally=tally)


def _refuse_unnamed(suite: Suite, metrics: Mapping[str, Metric]) -> None:
    setting = suite.judge
    named = {Need.JUDGE: setting is not None, Need.EMBEDDER: setting and setting.embeddings}
    for need, member in ((Need.JUDGE, "model"), (Need.EMBEDDER, "embeddings")):
        needing = [name for name, it in metrics.items() if need in it.about.needs]
        if needing and not named[need]:
            raise SettingsInvalid(
                f"{suite.file}: no model is named for {', '.join(needing)}; name it in"
                f" `judge.{member}`"
            )


def prompts_for(folder: Path, published: Prompts) -> Mapping[str, Compiled]:
    """Give the judge prompts by name: of the folder, else of the registry, else ours.

    Raises:
        SettingsInvalid: one is not well formed, or cannot stand in for ours; all faults of all.
    """
    ours = {name: _version(text, f"{name}{SUFFIX}") for name, text in judge_prompts().items()}
    chosen = {name: (name, it) for name, it in ours.items()}
    faults = list[str]()
    others = [(f"prompt '{it.ref}'", it) for it in _published(ours, published)]
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            others.append((str(path), _version(path.read_text("utf-8"), str(path))))
        except SettingsInvalid as exc:
            faults.append(str(exc))
        except (OSError, UnicodeDecodeError) as exc:
            faults.append(f"{path}: cannot be read ({exc}); look at the file")
    for where, version in others:
        of_ours = ours.get(version.name)
        if of_ours is None:
            faults.append(f"{where}: no metric uses {version.name!r}; rename it")
            continue
        faults += [f"{where}: {it}" for it in _unfit(version.read(), of_ours.read())]
        chosen[version.name] = where, version
    if faults:
        raise SettingsInvalid("\n".join(faults))
    return {name: compile_version(it, ENGINES) for name, (_, it) in chosen.items()}


def _version(text: str, path: str) -> PromptVersion:
    file = read_file(text, path)
    if file.partials:
        raise SettingsInvalid(f"{path}: has partials; publish it in the registry")
    return file.published_as(file.content)


def _published(names: Mapping[str, object], published: Prompts) -> Iterator[PromptVersion]:
    for name in names:
        pointed = published.at(Place(name))
        version = None if pointed is None else published.find(name, pointed.label.version)
        if version is not None:
            yield version


def _unfit(content: Content, ours: Content) -> Iterator[str]:
    """Tell why a prompt cannot stand in for ours."""
    if content.variables.keys() != ours.variables.keys():
        yield f"variables: must be {', '.join(ours.variables)}; name them so"
    for name, variable in content.variables.items():
        of_ours = ours.variables.get(name)
        if of_ours is not None and of_ours.fenced and not variable.fenced:
            yield f"variables.{name}: is not fenced, and could talk to the judge; say x-fence: true"
    if content.placeholder is not None:
        yield "messages: has a place for messages of a caller, and there is none; remove it"
    if content.output_schema is None:
        yield "output_schema: is missing; say what the verdict is made of"
