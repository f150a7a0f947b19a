"""Links within the docs lead somewhere."""

import re
from pathlib import Path

import pytest
from tests.docs.pages import PAGES, ROOT, name_of, prose

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_and_anchors_resolve(page: Path) -> None:
    broken: list[str] = []
    for link in _LINK.findall(prose(page)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)

    assert not broken


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    new = set(reached)
    while new:
        new = {target for page in new for target in _targets(page)} - reached
        reached |= new

    assert {name_of(page) for page in PAGES} <= {name_of(page) for page in reached}


def _targets(page: Path) -> set[Path]:
    paths = (link.partition("#")[0] for link in _LINK.findall(prose(page)) if "://" not in link)
    found = {(page.parent / path).resolve() for path in paths if path}
    return {path for path in found if path.suffix == ".md" and path.exists()}


def _anchors(page: Path) -> set[str]:
    """Name a page's headings as GitHub does."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(prose(page))
    }
