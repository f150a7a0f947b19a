"""`trimtab up`: everything on this machine."""

import json
import os
import socket
import time
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli import role
from trimtab.cli.output import author, print_json
from trimtab.cli.supervise import Role, Supervisor
from trimtab.local import lock, serve
from trimtab.local.pull import Shelf
from trimtab.wiring.litellm import check_litellm
from trimtab.wiring.sharing import check_workers
from trimtab.wiring.start import SMOLLM2, Secrets, Start, announce, hold, introduce, prepare

KEEPER_S = 10.0
POLL_S = 0.02


@click.command()
@role.server_options
@click.option("--sim", is_flag=True, help="Run the simulator, and send provider `sim` to it.")
@click.option("--sim-port", default=0, help="Port of the simulator; chosen by the system if 0.")
@click.option("--local-model", is_flag=True, help="Serve SmolLM2 as model `smollm2`.")
@role.yes
@click.option("--json", "as_json", is_flag=True, help="Print what was started as one JSON line.")
def command(
    config: Path | None,
    home: Path,
    host: str | None,
    port: int | None,
    workers: int,
    sim_port: int,
    *,
    sim: bool,
    local_model: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Run everything on this machine: gateway, keeper with console, and the simulator if needed.

    Example: trimtab up --port 8080
    """
    if local_model:
        serve.check(lock.find(SMOLLM2, lock.shipped()), Shelf.of(home))
    settings = wiring.load_settings(config)
    check_workers(settings.gateway, workers)
    check_litellm(settings.providers.values())
    wanted = settings.gateway.port if port is None else port
    listeners = role.listen(host or settings.gateway.host, wanted, workers)
    held = hold(home)
    start = prepare(
        home,
        config,
        author(),
        sim=sim,
        sim_port=sim_port,
        local_model=local_model,
        sure=yes,
    )
    common = ["--home", str(home.absolute()), *start.config]
    supervisor = Supervisor(click.echo, wiring.SystemClock().monotonic_s)
    supervisor.heed()
    for name, arguments in start.providers:
        supervisor.start(Role(name, arguments, errors_only=True))
    supervisor.start(Role("keeper", ["keeper", *common]))
    for gateway in role.gateways(common, listeners, settings.gateway.drain_s):
        supervisor.start(gateway)
    _wait_for(wiring.keeper_socket(home))
    url = "http://{}:{}".format(*listeners[0].getsockname()[:2])
    secrets = introduce(home, start, author())
    announce(home, url)
    if as_json:
        print_json(_document(url, secrets), indent=None)
    else:
        click.echo(_welcome(url, start, secrets))
    supervisor.run()
    os.close(held)


def _wait_for(keeper: Path) -> None:
    """Wait until the keeper listens: the console that is announced must be there.

    Callers of the gateway wait in its socket; for those of the keeper there is no such queue.
    """
    clock = wiring.SystemClock()
    end_s = clock.monotonic_s() + KEEPER_S
    while clock.monotonic_s() < end_s:
        with socket.socket(socket.AF_UNIX) as caller:
            if caller.connect_ex(str(keeper)) == 0:
                return
        time.sleep(POLL_S)


def _document(url: str, secrets: Secrets) -> dict[str, object]:
    return {
        "openai_base_url": f"{url}/v1",
        "anthropic_base_url": url,
        "console": f"{url}/console",
        "admin_password": secrets.admin_password,
        "keys": secrets.demo_keys,
    }


def _welcome(url: str, start: Start, secrets: Secrets) -> str:
    lines = ["", f"Trimtab is running.   apps  {url}/v1   people  {url}/console", ""]
    if secrets.admin_password:
        lines += [
            f"  console login  admin / {secrets.admin_password}   (shown this once; kept hashed)",
            "",
        ]
    keys = secrets.demo_keys
    lines += [f"  key of {tenant:<8} {key}" for tenant, key in keys.items()]
    if not keys:
        lines.append("  make a key     trimtab keys create --tenant TENANT --name my-app")
    if not secrets.admin_password:
        lines.append("  lost password  trimtab accounts reset admin")
    model = next(iter(start.settings.models), "MODEL")
    lines += ["", *_snippets(url, model, next(iter(keys.values()), None))]
    return "\n".join(lines)


def _snippets(url: str, model: str, key: str | None) -> list[str]:
    """Write what can be pasted: into a shell, and into Python."""
    body = json.dumps(
        {"model": model, "messages": [{"role": "user", "content": "What is a trim tab?"}]}
    )
    quoted = "os.environ['TRIMTAB_KEY']" if key is None else f'"{key}"'
    return [
        f'curl {url}/v1/chat/completions -H "authorization: Bearer {key or "$TRIMTAB_KEY"}" \\',
        f"  -H 'content-type: application/json' -d '{body}'",
        "",
        *(["import os"] if key is None else []),
        "from openai import OpenAI",
        f'client = OpenAI(base_url="{url}/v1", api_key={quoted})',
        f'answer = client.chat.completions.create(model="{model}",',
        '    messages=[{"role": "user", "content": "What is a trim tab?"}])',
        "print(answer.choices[0].message.content)",
        "",
    ]
