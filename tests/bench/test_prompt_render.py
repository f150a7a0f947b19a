"""What a prompt costs a request in a worker: all of it is in memory. Prints; asserts nothing."""

import os
from dataclasses import replace

import pytest
from tests.bench.test_cost import measure
from tests.pipeline.conftest import Rig, json_answer
from tests.prompts import SEED, registry, version

from trimtab.domain.prompt import Cohort, RegistryPolicy
from trimtab.domain.rendering import NONCE_BYTES
from trimtab.pipeline.compose import Compose
from trimtab.pipeline.handoff import Identified, PromptAsk
from trimtab.pipeline.written import WRITTEN
from trimtab.registry.jinja import ENGINES
from trimtab.registry.render import Renderer

pytestmark = pytest.mark.bench

CONTEXT = "A trim tab is a small surface on the trailing edge of a rudder. " * 60
VARIABLES = {"question": "What is a trim tab?", "context": CONTEXT, "persona": "sailor"}
COHORT = Cohort("early", frozenset({"acme", "globex"}))
SCOPED = {
    f"rag-answer/production/{scope}": "3.2.0"
    for scope in ("default", "tenant:other", "cohort:tier-paid")
}


def test_prints_what_a_prompt_costs() -> None:
    seed = version()
    for_all = registry(seed, labels={"rag-answer/production/default": "3.2.0"})
    scoped = registry(
        seed,
        *(version(SEED, name=f"other-{number}") for number in range(100)),
        labels=SCOPED,
        policy=RegistryPolicy(cohorts=(COHORT,)),
        tiers={"acme": "paid"},
    )
    rig = Rig(json_answer())
    compose = Compose(Renderer(ENGINES), WRITTEN, "dev", os.urandom)
    compiled, nonce = compose.compiled(seed), os.urandom(NONCE_BYTES)
    ask = PromptAsk(name="rag-answer", variables=VARIABLES)
    [grant] = rig.snapshot.grants.values()
    snapshot = replace(rig.snapshot, prompts=for_all)
    plain = Identified(rig.request(), snapshot, grant)
    prompted = Identified(rig.request(prompt=ask), snapshot, grant)

    print(f"\nvalues of {sum(map(len, VARIABLES.values()))} characters")
    measure("render", lambda: compiled.render(VARIABLES, nonce=nonce))
    measure(
        "look up a label",
        lambda: for_all.resolve("rag-answer", "production", tenant="acme", environment="dev"),
    )
    measure(
        "... the 3rd of 4 scopes",
        lambda: scoped.resolve("rag-answer", "production", tenant="acme", environment="dev"),
    )
    measure("compose with a prompt", lambda: compose(prompted))
    measure("compose without", lambda: compose(plain))
    measure("make it ready once", lambda: Renderer(ENGINES)(seed), times=200)
