from pathlib import Path
from textwrap import dedent

import pytest

from trimtab.registry.lint_code import lint_code, lint_source

LABELS = {"rag-answer": "3.2.0"}


def told(source: str) -> list[str]:
    return [
        f"{it.line}: {it.rule} {it.message}" for it in lint_source(dedent(source), "a.py", LABELS)
    ]


def rules(source: str) -> list[str]:
    return [it.split()[1] for it in told(source)]


@pytest.mark.parametrize(
    ("source", "how"),
    [
        ("client.responses.create(input=f'Translate {text}')", "input is built with an f-string"),
        ("client.responses.create(instructions='Be ' + tone)", "instructions is built with +"),
        (
            "client.responses.create(input='Translate ' f'{text}')",
            "input is built with an f-string",
        ),
        ("client.messages.create(system='You are a %s' % role)", "system is built with %"),
        ("client.completions.create(prompt='Be {}'.format(x))", "prompt is built with .format"),
        (
            "client.chat.completions.create(messages=[{'role': 'user', 'content': f'Sum {x}'}])",
            "messages is built with an f-string",
        ),
        (
            "client.messages.create(messages=[{'content': [{'text': 'Sum ' + x}]}])",
            "messages is built with +",
        ),
        (
            "client.messages.create(messages=history + [{'content': f'Sum {x}'}])",
            "messages is built with an f-string",
        ),
        (
            "client.messages.create(messages=[*history, {'content': f'Sum {x}'}])",
            "messages is built with an f-string",
        ),
        (
            "client.messages.create(system=f'Be {x}' if x else 'Hello')",
            "system is built with an f-string",
        ),
        (
            "from litellm import completion as ask\nask(messages=[{'content': f'Sum {x}'}])",
            "messages is built with an f-string",
        ),
        (
            "post(url, json={'model': 'm', 'messages': [{'content': f'Sum {x}'}]})",
            "messages is built with an f-string",
        ),
    ],
)
def test_finds_a_prompt_that_is_built_in_code(source: str, how: str) -> None:
    (finding,) = told(source)

    assert finding.endswith(f"R020 {how}; take a prompt of the registry, and variables")


def test_follows_a_text_through_names() -> None:
    source = """
        SYSTEM = "You are {role}."

        def ask(client, role, question):
            text = "Answer this: "
            text += question
            body = [{"role": "user", "content": text}]
            return client.messages.create(
                system=SYSTEM.format(role=role),
                messages=body,
            )
    """

    assert told(source) == [
        "6: R020 messages is built with +; take a prompt of the registry, and variables",
        "9: R020 system is built with .format; take a prompt of the registry, and variables",
    ]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("client.responses.create(input=question)", id="the caller's own text"),
        pytest.param("client.responses.create(input=f'{question}')", id="nothing but a value"),
        pytest.param("client.responses.create(input=a + '\\n\\n' + b)", id="no words"),
        pytest.param("client.responses.create(input='Be ' 'kind')", id="written out"),
        pytest.param("client.responses.create(input=prompt.render(x))", id="rendered"),
        pytest.param("client.messages.create(messages=history + messages)", id="lists"),
        pytest.param("client.messages.create(messages=[m] + [n])", id="lists written out"),
        pytest.param("client.messages.create(user=f'user {x}', system='a')", id="another field"),
        pytest.param("subprocess.run(cmd, input=f'say {x}')", id="input of a process"),
        pytest.param("click.prompt(prompt=f'Your name, {x}')", id="prompt of a terminal"),
        pytest.param("render(messages=[f'{n} new messages'])", id="messages of a page"),
        pytest.param("log({'messages': f'{n} new messages'})", id="messages of a log"),
        pytest.param("twilio.messages.create(body=f'Call {x}')", id="a text message"),
        pytest.param(
            "def f(system):\n  client.messages.create(system=system)\nsystem = f'Be {x}'",
            id="argument of the same name",
        ),
        pytest.param("def broken(:", id="no Python"),
        pytest.param("x = 'eslint@latest'", id="a package"),
        pytest.param("{'id': 'image', 'version': 'latest'}", id="an image"),
        pytest.param("x = 'rag-answer@4.0.0', 'rag-answer@3.0.0', 'other@1.0.0'", id="versions"),
        pytest.param("fetch('rag-answer', 'latest')", id="another fetch"),
    ],
)
def test_leaves_other_code_alone(source: str) -> None:
    assert told(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "from trimtab.sdk.prompts import fetch\nfetch('rag-answer', 'latest')",
        "from trimtab.sdk import prompts\nprompts.render('rag-answer', version='latest')",
        "import trimtab.sdk.prompts as p\np.fetch('rag-answer', label='latest', max_stale=9)",
        "import trimtab.sdk.prompts\ntrimtab.sdk.prompts.fetch(name, 'latest')",
        "client.responses.create(prompt={'id': 'rag-answer', 'version': 'latest'})",
        "body = {'prompt': 'rag-answer@latest'}",
    ],
)
def test_finds_a_text_that_would_change_unseen(source: str) -> None:
    (finding,) = told(source)

    assert finding.endswith(
        "R021 'latest' is no label, for its text would change unseen; name a version or a label"
    )


def test_a_label_is_fetched_with_its_greatest_age() -> None:
    begin = "from trimtab.sdk.prompts import fetch\n"

    assert told(f"{begin}fetch('rag-answer', 'production')") == [
        "2: R021 label 'production' is fetched without max_stale; say how old it may be"
    ]
    assert told(f"{begin}fetch('rag-answer', 'production', max_stale=30)") == []
    assert told(f"{begin}fetch('rag-answer', '3.2.0')") == []


@pytest.mark.parametrize(
    "source",
    [
        "from trimtab.sdk.prompts import fetch\nfetch('rag-answer', '2.9.0')",
        "headers = {'x-trimtab-prompt': 'rag-answer@2.9.0'}",
        "client.responses.create(prompt={'id': 'rag-answer', 'version': '2.9.0'})",
    ],
)
def test_warns_of_a_version_that_production_left_behind(source: str) -> None:
    (finding,) = told(source)

    assert finding.endswith(
        "R022 names rag-answer@2.9.0, and production has 3.2.0; move to its major"
    )


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("f.responses.create(input=f'Be {x}')  # trimtab: ignore R020 a spike", []),
        ("# trimtab: ignore R020 a spike\nf.responses.create(input=f'Be {x}')", []),
        ("f.responses.create(  # trimtab: ignore R020 a spike\n  input=f'Be {x}')", []),
        ("f.responses.create(input=f'Be {x}')  # trimtab: ignore R020", ["R000", "R020"]),
        ("f.responses.create(input=f'Be {x} # trimtab: ignore R020 text')", ["R020"]),
    ],
)
def test_a_comment_with_a_reason_silences_a_rule(source: str, found: list[str]) -> None:
    assert rules(source) == found


def test_reads_files_and_folders_but_no_environments(tmp_path: Path) -> None:
    source = "client.responses.create(input=f'Translate {text}')\n"
    for name in ("app/a.py", "app/b.txt", ".venv/c.py", "lib/site-packages/d.py", "app/e.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)

    found = lint_code([tmp_path, tmp_path / "app/a.py"])

    assert [it.path for it in found] == [str(tmp_path / "app/a.py"), str(tmp_path / "app/e.py")]


def test_reads_a_sum_of_any_length() -> None:
    assert rules("f.responses.create(input='Be ' + " + " + ".join(["x"] * 400) + ")") == ["R020"]
