"""What was published stays: attacks on versions, over every way in. The numbers are the suite's."""

import hashlib
import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import ADMIN_KEY, Stack, eventually, stack_in
from tests.e2e.deaf_proxy import deaf_proxy
from tests.e2e.prompt_app import rendered
from tests.e2e.prompting import (
    ASKED,
    CHANGED,
    NAME,
    WHY,
    ask,
    free_config,
    greeting,
    promote,
    publish,
    served,
    served_version,
    written,
)
from tests.e2e.raw_http import chat, head, send

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import canonical, digest
from trimtab.sdk import Prompts

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

OTHER = f"{CHANGED}. Say goodbye to $who."


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stack]:
    """A site with two versions, the first of them in production."""
    home = tmp_path_factory.mktemp("attacked")
    with stack_in(home, "--config", str(free_config(home))) as running:
        publish(running, greeting("1.0.0"), greeting("1.1.0"))
        promote(running, "1.0.0")
        yield running


@pytest.fixture(scope="module")
def key(site: Stack) -> str:
    return site.key()


@pytest.fixture
def safe(site: Stack, key: str) -> Generator[None]:
    """What is served before an attack is served after it."""
    before = served(site, key), served_version(site, key, "1.1.0")
    yield
    assert (served(site, key), served_version(site, key, "1.1.0")) == before


@pytest.mark.usefixtures("safe")
def test_a01_a_number_is_published_once(site: Stack) -> None:
    other = written(site.home, greeting("1.0.0", OTHER))

    refused = site.run("prompts", "publish", other, check=False)
    again = site.run("prompts", "publish", written(site.home, greeting("1.0.0")))

    assert refused.returncode == 2
    assert "'greeting@1.0.0' is published with hash" in refused.stderr
    assert "nothing to publish" in again.stdout


@pytest.mark.usefixtures("safe")
def test_a01_a_number_is_published_once_by_http_as_well(site: Stack) -> None:
    body = json.dumps({"file": greeting("1.0.0", OTHER), "reason": "test"}).encode()

    status, _, told = site.post(f"/admin/v1/prompts/{NAME}/versions", body, ADMIN_KEY)

    assert (status, json.loads(told)["error"]["code"]) == (409, "version_immutable")


@pytest.mark.usefixtures("safe")
def test_a02_a_push_that_edits_in_place_publishes_nothing_at_all(site: Stack, key: str) -> None:
    good = written(site.home, greeting("1.2.0", name="innocent"), "good")
    other = written(site.home, greeting("1.0.0", OTHER), "other")

    checked = site.run("prompts", "push", "--check", good, other, check=False)
    pushed = site.run("prompts", "push", good, other, check=False)

    assert (checked.returncode, pushed.returncode) == (1, 1)
    assert "(R002)" in pushed.stderr
    assert ask(site, key, "innocent", "versions", "1.2.0").status == 404


@pytest.mark.usefixtures("safe")
@pytest.mark.parametrize("prefix", ["/prompts", "/admin/v1/prompts"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_a03_a_version_cannot_be_written_over_by_http(
    site: Stack, key: str, prefix: str, method: str
) -> None:
    body = json.dumps({"template": OTHER, "hash": "0" * 64}).encode()
    who = key if prefix == "/prompts" else ADMIN_KEY
    line = f"{method} {prefix}/{NAME}/versions/1.0.0 HTTP/1.1"

    answer = send(site.port, head(who, line=line, length=len(body)) + body, method=method)

    assert answer.status in {400, 404, 405}, answer


@pytest.mark.usefixtures("safe")
@pytest.mark.parametrize("way", ["cli", "http"])
def test_a04_a_publication_is_not_taken_back_and_its_number_not_used_again(
    site: Stack, way: str
) -> None:
    [seq] = [
        it["seq"]
        for it in site.json("changes", "list", "--pointer", "prompt/greeting@1.1.0")["changes"]
    ]

    if way == "cli":
        undone = site.run("changes", "undo", str(seq), *WHY, check=False)
        assert undone.returncode == 2
        said = undone.stderr
    else:
        path = f"/admin/v1/changes/{seq}/undo"
        status, _, told = site.post(path, b'{"reason": "test"}', ADMIN_KEY)
        assert status in range(400, 500)
        said = told.decode()
    other = site.run(
        "prompts", "publish", written(site.home, greeting("1.1.0", OTHER)), check=False
    )

    assert "stays what it is" in said
    assert other.returncode == 2


@pytest.mark.usefixtures("safe")
def test_a05_no_member_of_a_file_says_what_the_registry_has_to_say(site: Stack) -> None:
    members = ("mlflow.prompt.text", "hash", "content", "canonical_json", "labels", "seq", "tags")
    files = [
        written(site.home, greeting("1.0.0", more=f"{it}: {json.dumps(OTHER)}\n"), it)
        for it in members
    ]

    refused = site.run("prompts", "publish", *files, check=False)

    assert refused.returncode == 2
    assert all(f"{it}: is not known here" in refused.stderr for it in members)


@pytest.mark.usefixtures("safe")
def test_a05_what_begins_with_x_is_kept_and_changes_nothing(site: Stack) -> None:
    more = f"x-mlflow.prompt.text: {json.dumps(OTHER)}\n"

    same = site.run("prompts", "publish", written(site.home, greeting("1.0.0", more=more)))

    assert "nothing to publish" in same.stdout


@pytest.mark.usefixtures("safe")
def test_a06_what_was_yanked_comes_back_as_it_was(site: Stack, key: str) -> None:
    other = written(site.home, greeting("1.1.0", OTHER))
    site.run("prompts", "yank", "greeting@1.1.0", "--block", *WHY)
    eventually(
        lambda: ask(site, key, NAME, "versions", "1.1.0").status == 410, "the version is blocked"
    )

    refused = site.run("prompts", "publish", other, check=False)
    site.run("prompts", "unyank", "greeting@1.1.0", *WHY)
    late = site.run("prompts", "publish", other, check=False)

    assert (refused.returncode, late.returncode) == (2, 2)
    eventually(
        lambda: ask(site, key, NAME, "versions", "1.1.0").status == 200, "it may be used again"
    )


@pytest.mark.usefixtures("safe")
def test_a07_a_partial_is_an_exact_version(site: Stack) -> None:
    publish(site, greeting("1.0.0", "Never insult $who.", name="rules"))
    refs = ("production", "^1.0.0", "1.x", "latest", ">=1.0.0", "1.0")
    files = [
        written(site.home, greeting("1.0.0", "$policy Hello $who.", f"floats-{n}", more), f"f{n}")
        for n, more in enumerate(f'partials: {{policy: "rules@{it}"}}\n' for it in refs)
    ]

    refused = site.run("prompts", "push", "--check", *files, check=False)

    assert refused.returncode == 1
    assert all(f"'rules@{it}' is no exact version" in refused.stderr for it in refs)


@pytest.mark.usefixtures("safe")
def test_a08_a_later_version_of_a_partial_changes_nothing(site: Stack, key: str) -> None:
    policy = greeting("2.0.0", "Never insult anybody.", name="policy").replace("who", "")
    more = 'partials: {policy: "policy@2.0.0"}\n'
    publish(site, policy)
    publish(site, greeting("1.0.0", "$policy Say hello to $who.", "with-policy", more))

    def read() -> Mapping[str, Any]:
        told = ask(site, key, "with-policy", "versions", "1.0.0")
        return told.json if told.status == 200 else {}

    before = eventually(read, "the worker knows the version")

    publish(site, policy.replace("2.0.0", "3.0.0").replace("Never insult", OTHER[:8]))

    newer = ("policy", "versions", "3.0.0")
    eventually(lambda: ask(site, key, *newer).status == 200, "the worker knows the newer one")
    assert "Never insult anybody." in before["content"]
    assert read() == before


def test_a13_no_text_that_was_edited_on_an_applications_disk_is_rendered(
    site: Stack, key: str, tmp_path: Path
) -> None:
    with deaf_proxy(site.port) as proxy, Prompts(proxy.url, key, cache_dir=tmp_path) as client:
        good = client.render(NAME, ASKED)
    [file] = tmp_path.rglob("*.json")
    sealed = file.read_bytes()
    seal, _, body = sealed.partition(b"\n")
    answer = json.loads(body)["answer"]
    content = answer["content"].replace("Say hello", CHANGED)
    forged = json.loads(body) | {"answer": answer | {"content": content, "hash": digest(content)}}
    edited = json.dumps(forged, separators=(",", ":")).encode()

    # The proxy is gone, so there is only the disk.
    for other in (seal, hashlib.sha256(edited).hexdigest().encode()):
        file.write_bytes(other + b"\n" + edited)
        with Prompts(proxy.url, key, cache_dir=tmp_path) as client:
            assert rendered(client).error == "prompt_unavailable"
    file.write_bytes(sealed)
    with Prompts(proxy.url, key, cache_dir=tmp_path) as client:
        found = client.render(NAME, ASKED)

    assert (found.source, found.text) == ("disk", good.text)


def test_a13_a_lock_that_was_edited_is_not_believed(
    site: Stack, key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lock = tmp_path / "prompts.lock"
    site.run("prompts", "lock", "--out", str(lock))
    told = json.loads(lock.read_text())
    entry = told["prompts"][NAME]
    entry["content"] = entry["content"].replace("Say hello", CHANGED)
    lock.write_text(canonical(told) + "\n")

    with pytest.raises(SettingsInvalid, match="is not what was published"):
        Prompts(site.url, key, lock=lock)

    # Who changes text and hash may change the application, too. It is told, and goes no further.
    entry["hash"] = digest(entry["content"])
    lock.write_text(canonical(told) + "\n")
    with Prompts(site.url, key, lock=lock) as client:
        prompt = client.render(NAME, ASKED)
    sent = {"x-trimtab-prompt": prompt.header}
    status, _, body = site.post("/v1/chat/completions", chat(), key, sent)
    assert "is not what was published before" in caplog.text
    assert (status, json.loads(body)["error"]["code"]) == (400, "prompt_hash_mismatch")


def test_a14_look_alikes_of_a_name_are_no_names(site: Stack, key: str) -> None:
    names = (
        "Greeting",
        "greet\u2011ing",
        "greeting.",
        "events",
        "gr\u0435eting",
        "-greeting",
        "a/b",
    )
    files = [
        written(site.home, greeting("1.0.0", OTHER, json.dumps(it)), str(n))
        for n, it in enumerate(names)
    ]

    refused = site.run("prompts", "publish", *files, check=False)

    assert refused.returncode == 2
    assert refused.stderr.count("is no name") == len(names) - 1
    assert "'events' is reserved" in refused.stderr
    assert {ask(site, key, it, "versions", "1.0.0").status for it in names} == {404}
    assert served(site, key).version == "1.0.0"
