from importlib.resources import files

from tests.cli.conftest import Terminal


def test_writes_a_file_that_passes_check(terminal: Terminal) -> None:
    said = terminal.run("init").stdout

    assert said.splitlines() == [
        "wrote trimtab.yaml",
        "wrote prompts/rag-answer.v3.yaml",
        "next: trimtab check, trimtab prompts push, then trimtab up",
    ]
    assert terminal.run("check").stdout.startswith("trimtab.yaml  ok ")


def test_writes_the_demo_byte_for_byte(terminal: Terminal) -> None:
    written = terminal.json("init", "shop")["written"]

    demo = files("trimtab") / "demo"
    assert written == ["shop/trimtab.yaml", "shop/prompts/rag-answer.v3.yaml"]
    for name in ("trimtab.yaml", "prompts/rag-answer.v3.yaml"):
        assert (terminal.home / "shop" / name).read_bytes() == (demo / name).read_bytes()


def test_overwrites_nothing_unless_forced(terminal: Terminal) -> None:
    prompt = terminal.home / "prompts" / "rag-answer.v3.yaml"
    prompt.parent.mkdir()
    prompt.write_text("mine")

    said = terminal.run("init", code=2).stderr

    assert "'prompts/rag-answer.v3.yaml' exists; pass --force to overwrite it" in said
    assert not (terminal.home / "trimtab.yaml").exists()
    assert prompt.read_text() == "mine"

    terminal.run("init", "--force")
    assert prompt.read_text() != "mine"
