"""The list of prompts."""

import re

from tests.console.conftest import Site
from tests.console.prompting import NEW, fill_prompts

from trimtab.domain.errors import TryLater
from trimtab.store.base.sums import PromptRow


def words(html: str) -> str:
    """Leave out the markup."""
    return re.sub(r"(<[^>]*>|\s)+", " ", html)


async def test_an_empty_list_tells_what_to_do_next(site: Site) -> None:
    await site.log_in("viewer")

    html = (await site.client.get("/console/prompts")).text

    assert "No prompts yet" in html
    assert "trimtab prompts push" in html
    assert "/console/prompts/new" not in html


async def test_lists_where_production_points_and_what_a_day_cost(site: Site) -> None:
    await fill_prompts(site)
    await site.log_in("editor")
    asked = site.stores.asked
    asked.clear()

    html = (await site.client.get("/console/prompts")).text

    assert re.search(rf"{NEW} +other in 1 scope +{NEW} +of 2", words(html))
    assert re.search(r"search-team +3 +33\.3 % +\$0\.02824", words(html))
    assert re.search(r"triage +Sort tickets\. +nothing +1\.0\.0 +of 1", words(html))
    assert "/console/prompts/new" in html
    assert asked == {"prompted": 1}


async def test_without_figures_the_prompts_are_listed_all_the_same(site: Site) -> None:
    async def away(**_: object) -> tuple[PromptRow, ...]:
        raise TryLater("the records are away")

    await fill_prompts(site)
    site.stores.prompted = away
    await site.log_in("viewer")

    for path in ("/console/prompts", "/console/prompts/rag-answer"):
        html = (await site.client.get(path)).text
        assert "No figures: the records are away" in html
        assert NEW in html
