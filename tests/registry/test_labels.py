import asyncio
from collections.abc import Sequence

import pytest
from tests.registry.site import ANA, BEN, DAY_S, LIVE, OPS, PLACE, Site, seed

from trimtab.control.prompts import pointer_of
from trimtab.domain.change import Source
from trimtab.domain.errors import (
    ChangeConflict,
    InvalidRequest,
    LabelProtected,
    NothingToRollBackTo,
    PromptNotFound,
    SettingsInvalid,
    TrimtabError,
    VersionBlocked,
)
from trimtab.domain.prompt import Cohort, Place, RegistryPolicy


async def promote(site: Site, *versions: str, place: Place = PLACE) -> None:
    for version in versions:
        await site.labels.promote(place, version, ANA)


async def test_a_label_is_moved_with_its_author_and_reason(three: Site) -> None:
    change = await three.labels.promote(PLACE, "3.2.0", OPS)

    assert (change.author, change.reason, change.source) == ("ops", OPS.reason, Source.CONSOLE)
    assert await three.at(PLACE) == "3.2.0"


async def test_a_rollback_goes_back_one_step_and_again_one_further(three: Site) -> None:
    await promote(three, "3.2.0", "3.3.0", "3.4.0")

    await three.labels.rollback(PLACE, OPS)
    first = await three.at(PLACE)
    await three.labels.rollback(PLACE, OPS)

    assert (first, await three.at(PLACE)) == ("3.3.0", "3.2.0")
    with pytest.raises(NothingToRollBackTo):
        await three.labels.rollback(PLACE, OPS)


async def test_after_a_rollback_a_new_move_is_what_is_taken_back(three: Site) -> None:
    await promote(three, "3.2.0", "3.3.0")
    await three.labels.rollback(PLACE, OPS)
    await promote(three, "3.4.0")

    await three.labels.rollback(PLACE, OPS)

    assert await three.at(PLACE) == "3.2.0"


async def test_what_was_undone_by_its_change_counts_as_taken_back(three: Site) -> None:
    await promote(three, "3.2.0", "3.3.0")
    change = await three.labels.promote(PLACE, "3.4.0", ANA)
    await three.control.undo(change.seq, reason="no", author="ops", source=Source.CLI)

    await three.labels.rollback(PLACE, OPS)

    assert await three.at(PLACE) == "3.2.0"


async def test_a_rollback_that_is_undone_leads_forwards_again(three: Site) -> None:
    await promote(three, "3.2.0", "3.3.0")
    back = await three.labels.rollback(PLACE, OPS)
    await three.control.undo(back.seq, reason="no", author="ops", source=Source.CLI)

    assert await three.at(PLACE) == "3.3.0"
    assert await three.labels.previous(PLACE) == "3.2.0"


async def test_an_undo_does_not_lead_a_protected_label_forwards(three: Site) -> None:
    await promote(three, "3.2.0", "3.3.0")
    back = await three.labels.rollback(PLACE, OPS)
    await three.policy(RegistryPolicy(protected={"staging": ()}))

    with pytest.raises(LabelProtected, match=r"prompts promote rag-answer 3\.3\.0 --label staging"):
        await three.control.undo(back.seq, reason="no", author="ops", source=Source.CLI)

    assert await three.at(PLACE) == "3.2.0"


async def test_any_version_the_label_held_can_be_named(three: Site) -> None:
    await promote(three, "3.2.0", "3.3.0", "3.4.0")

    await three.labels.rollback(PLACE, OPS, to="3.2.0")

    assert await three.at(PLACE) == "3.2.0"
    with pytest.raises(NothingToRollBackTo):
        await three.labels.rollback(PLACE, OPS, to="9.9.9")


async def test_a_rollback_to_green_passes_over_what_no_evaluation_passed(three: Site) -> None:
    await promote(three, "3.2.0", "3.3.0", "3.4.0")
    await three.pass_eval("3.2.0")

    await three.labels.rollback(PLACE, OPS, green=True)

    assert await three.at(PLACE) == "3.2.0"


async def test_yanked_versions_are_passed_over(three: Site) -> None:
    await promote(three, "3.2.0", "3.3.0", "3.4.0")
    await three.registry.yank("rag-answer", "3.3.0", OPS)

    await three.labels.rollback(PLACE, OPS)

    assert await three.at(PLACE) == "3.2.0"


async def test_a_scope_of_its_own_goes_back_to_what_counts_for_all(three: Site) -> None:
    of_acme = PLACE._replace(scope="tenant:acme")
    await promote(three, "3.2.0")
    await promote(three, "3.3.0", place=of_acme)

    await three.labels.rollback(of_acme, OPS)

    resolved = (await three.prompts()).resolve("rag-answer", "staging", tenant="acme")
    assert resolved is not None
    assert (resolved[0], resolved[1].label.version) == ("default", "3.2.0")


@pytest.mark.parametrize(
    ("place", "version", "error"),
    [
        pytest.param(PLACE._replace(name="nobody"), "3.2.0", PromptNotFound, id="no prompt"),
        pytest.param(PLACE, "9.9.9", PromptNotFound, id="no version"),
        pytest.param(PLACE._replace(label="latest"), "3.2.0", InvalidRequest, id="latest"),
        pytest.param(PLACE._replace(label="A"), "3.2.0", InvalidRequest, id="no label"),
        pytest.param(PLACE._replace(scope="all"), "3.2.0", InvalidRequest, id="no scope"),
        pytest.param(PLACE._replace(scope="tenant:x"), "3.2.0", InvalidRequest, id="no tenant"),
        pytest.param(PLACE._replace(scope="cohort:x"), "3.2.0", InvalidRequest, id="no cohort"),
        pytest.param(PLACE._replace(scope="env:"), "3.2.0", InvalidRequest, id="no environment"),
        pytest.param(PLACE, "3.3.0", VersionBlocked, id="yanked"),
    ],
)
async def test_a_label_cannot_be_moved_where_nothing_is(
    three: Site, place: Place, version: str, error: type[TrimtabError]
) -> None:
    await three.registry.yank("rag-answer", "3.3.0", OPS)
    before = await three.log.head()

    with pytest.raises(error):
        await three.labels.promote(place, version, ANA)

    assert await three.log.head() == before


async def test_every_kind_of_scope_is_taken(three: Site) -> None:
    await three.policy(RegistryPolicy(cohorts=(Cohort("beta", frozenset({"acme"})),)))
    scopes = ("default", "tenant:acme", "cohort:beta", "cohort:tier-free", "env:dev")

    for scope in scopes:
        await promote(three, "3.2.0", place=PLACE._replace(scope=scope))

    assert {*(await three.prompts()).labels["rag-answer"]["staging"]} == {*scopes}


async def test_who_saw_another_state_does_not_move_it(three: Site) -> None:
    first = await three.labels.promote(PLACE, "3.2.0", ANA, expected_seq=0)
    await three.labels.promote(PLACE, "3.3.0", ANA, expected_seq=first.seq)

    with pytest.raises(ChangeConflict):
        await three.labels.promote(PLACE, "3.4.0", ANA, expected_seq=first.seq)


async def test_a_move_to_where_it_is_changes_nothing(three: Site) -> None:
    await promote(three, "3.2.0")

    with pytest.raises(SettingsInvalid, match="is there already"):
        await promote(three, "3.2.0")


async def test_production_asks_for_evidence_and_a_second_person(three: Site) -> None:
    with pytest.raises(LabelProtected, match=r"eval: none for .* review: nobody") as refused:
        await promote(three, "3.2.0", place=LIVE)
    await three.pass_eval("3.2.0")
    with pytest.raises(LabelProtected, match="review: nobody") as half:
        await promote(three, "3.2.0", place=LIVE)
    await three.registry.approve("rag-answer", "3.2.0", BEN)

    await three.labels.promote(LIVE, "3.2.0", OPS)

    assert await three.at(LIVE) == "3.2.0"
    assert "eval:" not in str(half.value)
    assert "--override" in str(refused.value)


async def test_who_moves_it_is_no_second_person(three: Site) -> None:
    await three.pass_eval("3.2.0")
    await three.registry.approve("rag-answer", "3.2.0", BEN)

    with pytest.raises(LabelProtected, match="review"):
        await three.labels.promote(LIVE, "3.2.0", BEN)


async def test_an_override_stays_marked(three: Site) -> None:
    await three.labels.promote(LIVE, "3.2.0", OPS, override=True)

    pointed = (await three.prompts()).at(LIVE)
    assert pointed is not None
    assert pointed.label.override


async def test_no_protected_label_takes_a_pre_release(site: Site) -> None:
    await site.policy(RegistryPolicy(protected={"production": ()}))
    await site.publish(seed("3.2.0-rc.1"))

    await promote(site, "3.2.0-rc.1")
    with pytest.raises(LabelProtected, match="pre-release"):
        await promote(site, "3.2.0-rc.1", place=LIVE)


async def test_a_rollback_of_production_waits_for_nothing(three: Site) -> None:
    await three.labels.promote(LIVE, "3.2.0", OPS, override=True)
    await three.labels.promote(LIVE, "3.3.0", OPS, override=True)

    await three.labels.rollback(LIVE, ANA)

    assert await three.at(LIVE) == "3.2.0"


async def test_a_rollback_to_what_was_left_long_ago_asks_again(three: Site) -> None:
    await three.labels.promote(LIVE, "3.2.0", OPS, override=True)
    await three.labels.promote(LIVE, "3.3.0", OPS, override=True)
    three.clock.advance(31 * DAY_S)

    with pytest.raises(LabelProtected, match="more than 30 days ago"):
        await three.labels.rollback(LIVE, ANA)


async def test_sixty_four_at_once_leave_one_line_of_moves(three: Site) -> None:
    versions = ("3.2.0", "3.3.0", "3.4.0")

    async def flip(number: int) -> bool:
        pointed = (await three.prompts()).at(PLACE)
        seen = 0 if pointed is None else pointed.change.seq
        await asyncio.sleep(0)
        try:
            await three.labels.promote(PLACE, versions[number % 3], ANA, expected_seq=seen)
        except (ChangeConflict, SettingsInvalid):
            return False
        return True

    outcomes = [await asyncio.gather(*map(flip, range(64))) for _ in range(10)]

    moves = await three.control.history(pointer=pointer_of(PLACE), limit=10_000)
    assert len(moves) == sum(map(sum, outcomes))
    chain: Sequence[bytes | None] = [None, *(it.after for it in reversed(moves))]
    assert [it.before for it in reversed(moves)] == chain[:-1]


async def test_a_label_never_rests_on_a_yanked_version(three: Site) -> None:
    async def promote_it() -> None:
        await three.labels.promote(PLACE, "3.3.0", ANA)

    async def yank_it() -> None:
        await three.registry.yank("rag-answer", "3.3.0", OPS)

    for _ in range(20):
        await asyncio.gather(promote_it(), yank_it(), return_exceptions=True)
        prompts = await three.prompts()
        assert not (await three.at(PLACE) == "3.3.0" and "rag-answer@3.3.0" in prompts.yanked)
        if "rag-answer@3.3.0" in prompts.yanked:
            await three.registry.unyank("rag-answer", "3.3.0", OPS)
        if await three.at(PLACE):
            await three.labels.unset(PLACE, OPS)
