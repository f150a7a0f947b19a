"""One version: its text, trying it out, and what vouches for it."""

import re

import httpx2
import pytest
from msgspec.structs import force_setattr
from tests.console.conftest import START_US, Site
from tests.console.evaluating import scored, store
from tests.console.prompting import ANA, HERE, NEW, OLD, fill_prompts, publish, registry_of, vouch
from tests.console.test_prompts import words

from trimtab.console.prompt_version import runs
from trimtab.control.models import By
from trimtab.domain.change import Source
from trimtab.domain.prompt import Engine, Evidence
from trimtab.evals.shelf import SHA256

TYPED = """\
name: typed
version: 1.0.0
description: Of all kinds.
owner: team
engine: mustache
variables:
  note: {type: string, x-trust: user, x-fence: true, maxLength: 20}
  tone: {type: string, default: dry, x-trust: author}
  items: {type: array, items: {type: string}, x-trust: author}
messages:
  - {role: system, content: "Tone {{tone}}.{{#items}} [{{.}}]{{/items}}"}
  - {placeholder: history}
  - {role: user, content: "{{{note}}}"}
"""
TRY = "/console/prompts/typed/versions/1.0.0"


@pytest.fixture
async def filled(site: Site) -> Site:
    await fill_prompts(site)
    await publish(site, TYPED)
    await site.log_in("operator")
    return site


async def post(site: Site, path: str, **members: str) -> httpx2.Response:
    form = {"csrf": await site.csrf(), "reason": "drill", **members}
    return await site.client.post(path, data=form)


@pytest.mark.parametrize(
    ("engine", "text", "marked"),
    [
        (Engine.TEMPLATE, "$a costs $$5, ${b}{{c}}", ["$a", "${b}"]),
        (Engine.MUSTACHE, "{{a}} {{{b}}} $c {{#d}}", ["{{a}}", "{{{b}}}", "{{#d}}"]),
        (Engine.JINJA, "{% if a %}{{ b }}{% endif %}", ["{% if a %}", "{{ b }}", "{% endif %}"]),
        (Engine.MUSTACHE, "{{" * 500, []),
    ],
)
def test_a_text_is_cut_at_its_variables_and_nothing_is_lost(
    engine: Engine, text: str, marked: list[str]
) -> None:
    found = list(runs(engine, text))

    assert "".join(it for _, it in found) == text
    assert [it for is_variable, it in found if is_variable] == marked


async def test_shows_the_text_the_schema_and_the_file(filled: Site) -> None:
    html = (await filled.client.get(TRY)).text

    assert '<code class="variable">{{tone}}</code>' in html
    told = words(html)
    assert re.search(r"items +array +yes", told)
    assert re.search(r"note +string +yes +\{&#34;maxLength&#34;:20\} +user +fenced", told)
    assert re.search(r"tone +string +no; else +&#34;dry&#34;", told)
    assert "messages of the request itself (history)" in told
    assert "version: 1.0.0\ndescription: Of all kinds." in html


async def test_a_preview_renders_as_the_gateway_does(filled: Site) -> None:
    answer = await post(
        filled,
        f"{TRY}/preview",
        **{"value.note": "a\r\n<b>", "value.tone": "", "value.items": '["x", "y"]'},
    )

    told = words(answer.text.partition('class="rendered"')[2])
    assert "Tone dry. [x] [y]" in told
    assert re.search(r"&lt;&lt;&lt;trimtab-data [0-9a-f]{16}&gt;&gt;&gt; a &lt;b&gt;", told)
    assert "\r" not in answer.text.partition('class="rendered"')[2]
    assert 'data-kind="json"' in answer.text


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"items": "[x"}, "is no JSON"),
        ({"items": ""}, "needs the variable"),
        ({"items": "[1]"}, "is not what its schema takes"),
        ({"note": "n" * 21}, "is longer than 20"),
    ],
)
async def test_a_value_that_cannot_be_is_said_on_the_form(
    filled: Site, values: dict[str, str], problem: str
) -> None:
    given = {"note": "n", "items": "[]", **values}

    answer = await post(
        filled, f"{TRY}/preview", **{f"value.{name}": it for name, it in given.items()}
    )

    assert answer.status_code == 400
    assert problem in answer.text
    assert 'class="rendered"' not in answer.text


async def test_a_preview_changes_nothing_and_asks_no_model(filled: Site) -> None:
    before = len(filled.control.changes)

    answer = await post(filled, f"{TRY}/preview", **{"value.note": "n", "value.items": "[]"})

    assert answer.status_code == 200
    assert len(filled.control.changes) == before


async def test_evaluations_and_reviews_are_listed(filled: Site) -> None:
    await vouch(filled, NEW)

    told = words((await filled.client.get(f"{HERE}/versions/{NEW}")).text)

    assert "passed" in told
    assert re.search(r"approved +by ben", told)


async def test_evidence_leads_to_the_stored_run_that_it_is_of(filled: Site) -> None:
    card = store(filled, scored("ev_01K", 1, START_US, n=4))
    for newer in (2, 3):
        store(filled, scored(f"ev_01L{newer}", newer, START_US, n=6))
    registry = registry_of(filled)
    found = (await registry.prompts()).find("rag-answer", NEW)
    assert found is not None
    for report in (SHA256 + card.content, SHA256 + "0" * 64, "https://ci.example/7"):
        evidence = Evidence(hash=found.hash, passed=True, ts_us=START_US, report=report)
        await registry.add_evidence(evidence, ANA)

    html = (await filled.client.get(f"{HERE}/versions/{NEW}")).text

    assert 'href="/console/evals/ev_01K"' in html
    assert html.count('href="/console/evals/') == 1
    assert f"sha256:{'0' * 64}" in html
    assert "https://ci.example/7" in html


async def test_another_person_approves_once(filled: Site) -> None:
    path = f"{HERE}/versions/{NEW}"

    answer = await post(filled, f"{path}/approve")
    done = (await filled.client.get(answer.headers["location"])).text
    again = await post(filled, f"{path}/approve")

    assert "You approved it." in done
    assert "/undo" not in done
    assert again.status_code == 400
    assert "approved &#39;rag-answer@3.3.0&#39;" in again.text


async def test_who_published_a_version_cannot_approve_it(filled: Site) -> None:
    mine = TYPED.replace("typed", "mine")
    await publish(filled, mine, by=By("operator", Source.CONSOLE, "new"))
    path = "/console/prompts/mine/versions/1.0.0"

    html = (await filled.client.get(path)).text
    answer = await post(filled, f"{path}/approve")

    assert "somebody else has to review it" in html
    assert f'action="{path}/approve"' not in html
    assert answer.status_code == 400


async def test_a_version_in_use_is_yanked_with_its_labels(filled: Site) -> None:
    path = f"{HERE}/versions/{NEW}"

    refused = await post(filled, f"{path}/yank")
    done = await post(filled, f"{path}/yank", and_rollback="yes", block="yes")
    html = (await filled.client.get(done.headers["location"])).text

    assert refused.status_code == 400
    assert "point at it" in refused.text
    assert "Nobody may fetch it, not even by its number" in html
    assert "Unyank 3.3.0" in html
    prompts = await registry_of(filled).prompts()
    labels = prompts.labels["rag-answer"]["production"].values()
    assert [it.label.version for it in labels] == [OLD, OLD]


async def test_a_yank_is_taken_back(filled: Site) -> None:
    await registry_of(filled).yank("rag-answer", NEW, ANA, and_rollback=True)
    path = f"{HERE}/versions/{NEW}"

    html = (await filled.client.get(path)).text
    answer = await post(filled, f"{path}/unyank")
    again = await post(filled, f"{path}/unyank")

    assert "who names its number still gets it" in html
    assert "Point a label here" not in html
    assert answer.status_code == 303
    assert "is not yanked" in again.text


async def test_a_text_that_somebody_wrote_over_is_not_shown(filled: Site) -> None:
    state = await filled.control.state()
    (entry,) = [it for pointer, it in state.items() if pointer.name == f"rag-answer@{NEW}"]
    force_setattr(entry.value, "content", entry.value.content.replace("ONLY", "NEVER"))

    answer = await filled.client.get(f"{HERE}/versions/{NEW}")

    assert answer.status_code == 200
    assert "is not the one that was published" in answer.text
    assert "Try it" not in answer.text


async def test_models_to_try_begin_with_the_one_it_is_written_for(filled: Site) -> None:
    file = TYPED.replace("typed", "own")
    await publish(filled, file.replace("messages:", "model: {id: chat-small}\nmessages:"))

    html = (await filled.client.get("/console/prompts/own/versions/1.0.0")).text

    assert html.index("<option>chat-small<") < html.index("<option>chat<")


async def test_no_such_version_is_a_page_that_says_so(filled: Site) -> None:
    answer = await filled.client.get(f"{HERE}/versions/9.9.9")

    assert answer.status_code == 404
    assert "has no version" in answer.text
