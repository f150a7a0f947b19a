import asyncio

import pytest
from tests.prompts import CHAT
from tests.registry.site import ANA, BEN, LIVE, OPS, PLACE, Site, seed

from trimtab.control.models import By
from trimtab.domain.change import Pointer, PointerKind, Source
from trimtab.domain.errors import (
    BumpTooSmall,
    Forbidden,
    InUse,
    InvalidRequest,
    LintFailed,
    PromptNotFound,
    SettingsInvalid,
    TrimtabError,
    VersionImmutable,
)
from trimtab.domain.prompt import Evidence
from trimtab.registry.format import read_file
from trimtab.registry.plan import Origin, Status

JINJA = CHAT.replace("messages:", "engine: jinja\nmessages:").replace("$ticket", "{{ ticket }}")


async def test_a_version_is_published_once_and_then_stays(site: Site) -> None:
    (change,) = await site.publish(seed("3.2.0"))

    assert str(change.pointer) == "prompt/rag-answer@3.2.0"
    assert await site.publish(seed("3.2.0")) == ()
    with pytest.raises(VersionImmutable, match=r"published with hash .*3\.2\.1 or above"):
        await site.publish(seed("3.2.0", "Never cite"))


async def test_of_two_who_publish_one_number_at_once_one_is_refused(site: Site) -> None:
    outcomes = await asyncio.gather(
        site.publish(seed("3.2.0")),
        site.publish(seed("3.2.0", "Never cite")),
        return_exceptions=True,
    )

    assert sorted(type(it).__name__ for it in outcomes) == ["VersionImmutable", "tuple"]
    assert len((await site.prompts()).versions["rag-answer"]) == 1


@pytest.mark.parametrize("after", [None, b"{}"], ids=["removed", "written over"])
async def test_the_log_itself_keeps_what_is_published(site: Site, after: bytes | None) -> None:
    (change,) = await site.publish(seed("3.2.0"))

    with pytest.raises(TrimtabError) as refused:
        await site.control.move(
            change.pointer,
            None if after is None else {},
            reason="x",
            author="x",
            source=Source.API,
        )

    assert isinstance(refused.value, VersionImmutable | SettingsInvalid)
    assert (await site.prompts()).find("rag-answer", "3.2.0") is not None


async def test_a_publication_cannot_be_undone(site: Site) -> None:
    (change,) = await site.publish(seed("3.2.0"))

    with pytest.raises(SettingsInvalid, match="yank the version"):
        await site.control.undo(change.seq, reason="x", author="x", source=Source.API)


async def test_files_are_published_all_or_none(site: Site) -> None:
    bad = CHAT.replace("owner: support\n", "")

    with pytest.raises(LintFailed, match=r"1\.prompt\.yaml:\d+: R001"):
        await site.publish(seed("3.2.0"), bad)

    assert (await site.prompts()).versions == {}


async def test_a_number_must_keep_its_word(site: Site) -> None:
    await site.publish(seed("3.2.0"))

    with pytest.raises(BumpTooSmall, match=r"0\.prompt\.yaml: .*take 3\.3\.0"):
        await site.publish(seed("3.2.1", "Never cite"))
    with pytest.raises(BumpTooSmall, match="is major"):
        await site.publish(seed("3.3.0", "Cite $style").replace("[question,", "[style, question,"))


async def test_the_plan_says_what_would_happen_and_nothing_happens(site: Site) -> None:
    await site.publish(seed("3.2.0"))
    files = [
        read_file(seed("3.2.0"), "same.prompt.yaml"),
        read_file(CHAT, "new.prompt.yaml"),
        read_file(seed("3.2.1", "Never cite"), "small.prompt.yaml"),
    ]
    before = await site.log.head()

    steps = {it.file.path: it for it in await site.registry.plan(files)}

    assert steps["same.prompt.yaml"].status is Status.SAME
    assert steps["new.prompt.yaml"].status is Status.NEW
    assert isinstance(steps["small.prompt.yaml"].error, BumpTooSmall)
    assert await site.log.head() == before


PARTIAL = """\
name: policy
version: 1.0.0
description: What is never said.
owner: legal
template: "Be kind."
"""
USER = """\
name: greeter
version: 1.0.0
description: Greets.
owner: front
partials: {policy: "policy@1.0.0"}
template: "${policy} Hello."
"""


async def test_a_text_of_others_is_filled_in_for_good(site: Site) -> None:
    await site.publish(USER, PARTIAL)

    version = (await site.prompts()).find("greeter", "1.0.0")
    assert version is not None
    assert version.read().template == "Be kind. Hello."


async def test_texts_cannot_be_made_of_each_other(site: Site) -> None:
    circle = PARTIAL.replace("template:", 'partials: {greeter: "greeter@1.0.0"}\ntemplate:')

    with pytest.raises(SettingsInvalid, match=r"made of each other: .*policy@1\.0\.0"):
        await site.publish(USER, circle)


async def test_one_number_in_two_files_is_refused(site: Site) -> None:
    with pytest.raises(SettingsInvalid, match="keep one of them"):
        await site.publish(seed("3.2.0"), seed("3.2.0", "Never cite"))


async def test_only_an_admin_publishes_what_runs_in_the_sandbox(site: Site) -> None:
    file = read_file(JINJA, "j.prompt.yaml")

    with pytest.raises(Forbidden, match="have an admin publish it"):
        await site.registry.publish([file], ANA)

    assert len((await site.registry.publish([file], ANA, may_jinja=True))[1]) == 1


async def test_a_version_remembers_the_commit_it_came_from(site: Site) -> None:
    file = read_file(seed("3.2.0"), "/repo/prompts/a.prompt.yaml")

    await site.registry.publish([file], ANA, origin=Origin("4f2a", "/repo/"))

    version = (await site.prompts()).find("rag-answer", "3.2.0")
    assert version is not None
    assert (version.git_commit, version.git_path) == ("4f2a", "prompts/a.prompt.yaml")


async def test_what_labels_point_at_is_not_yanked_from_under_them(three: Site) -> None:
    await three.labels.promote(PLACE, "3.2.0", ANA)
    await three.labels.promote(PLACE, "3.3.0", ANA)

    with pytest.raises(InUse, match="rag-answer/staging/default point at it"):
        await three.registry.yank("rag-answer", "3.3.0", OPS)
    changes = await three.registry.yank("rag-answer", "3.3.0", OPS, and_rollback=True)

    assert [it.pointer.kind for it in changes] == [PointerKind.LABEL, PointerKind.YANK]
    assert await three.at(PLACE) == "3.2.0"


async def test_a_yank_does_not_make_a_blocked_version_readable_again(three: Site) -> None:
    await three.registry.yank("rag-answer", "3.3.0", OPS, block=True)

    with pytest.raises(InUse, match="unyank rag-answer@"):
        await three.registry.yank("rag-answer", "3.3.0", OPS)

    assert (await three.prompts()).yanked["rag-answer@3.3.0"].blocked


async def test_a_yank_is_taken_back_by_its_inverse(three: Site) -> None:
    await three.registry.yank("rag-answer", "3.3.0", OPS, block=True)
    yank = (await three.prompts()).yanked["rag-answer@3.3.0"]

    await three.registry.unyank("rag-answer", "3.3.0", OPS)

    assert (yank.reason, yank.blocked) == (OPS.reason, True)
    assert (await three.prompts()).yanked == {}
    with pytest.raises(InvalidRequest, match="is not yanked"):
        await three.registry.unyank("rag-answer", "3.3.0", OPS)


async def test_nobody_approves_what_they_wrote(three: Site) -> None:
    with pytest.raises(Forbidden, match="ask somebody else"):
        await three.registry.approve("rag-answer", "3.3.0", ANA)

    await three.registry.approve("rag-answer", "3.3.0", BEN)
    with pytest.raises(SettingsInvalid, match=r"approved 'rag-answer@3\.3\.0' before"):
        await three.registry.approve("rag-answer", "3.3.0", BEN)


async def test_evidence_is_about_what_is_published(three: Site) -> None:
    with pytest.raises(InvalidRequest, match="publish it first"):
        await three.registry.add_evidence(Evidence(hash="0" * 64, passed=True, ts_us=1), ANA)


async def test_evidence_must_cover_every_dataset_of_the_prompt(site: Site) -> None:
    await site.publish(seed("3.2.0") + "evals: [evals/rag.yaml]\n")
    await site.registry.approve("rag-answer", "3.2.0", BEN)
    await site.pass_eval("3.2.0")

    with pytest.raises(SettingsInvalid, match="lacks a dataset"):
        await site.labels.promote(LIVE, "3.2.0", OPS)
    await site.pass_eval("3.2.0", ["evals/rag.yaml"])
    await site.labels.promote(LIVE, "3.2.0", OPS)


async def test_a_reason_is_asked_for(three: Site) -> None:
    with pytest.raises(InvalidRequest, match="a reason is missing"):
        await three.registry.yank("rag-answer", "3.3.0", By("ana", Source.CLI, " "))
    with pytest.raises(PromptNotFound):
        await three.registry.yank("rag-answer", "9.9.9", OPS)


async def test_a_forged_second_publication_is_not_read(three: Site) -> None:
    """Who can write in the store appends another text under a number, past all that checks it."""
    state = await three.control.state()
    pointer = Pointer(PointerKind.PROMPT, "rag-answer@3.2.0")
    first = state[pointer]
    three.log._changes.append(  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        first.change.__class__(
            **{
                name: getattr(first.change, name)
                for name in first.change.__struct_fields__
                if name not in ("seq", "after")
            },
            seq=await three.log.head() + 1,
            after=first.change.after and first.change.after.replace(b"Cite", b"Lie"),
        )
    )

    assert (await three.prompts()).find("rag-answer", "3.2.0") == first.value
