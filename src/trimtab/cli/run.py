"""`trimtab up`, `gateway` and `keeper`: running the roles."""

import json
import socket
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.supervise import Supervisor
from trimtab.domain.errors import SettingsInvalid

BACKLOG = 4096

_config = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Configuration file; trimtab.yaml if it is there, else the demo.",
)
_home = click.option("--home", type=click.Path(path_type=Path), help="State directory.")
_host = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
_port = click.option("--port", default=8080, show_default=True, help="Port to listen on.")
_workers = click.option("--workers", default=1, show_default=True, help="Gateway workers.")


@click.command()
@_config
@_home
@_host
@_port
@_workers
@click.option("--sim", is_flag=True, help="Run the simulator, and send provider `sim` to it.")
@click.option("--sim-port", default=0, help="Port of the simulator; chosen by the system if 0.")
@click.option("--local-model", is_flag=True, help="Serve SmolLM2 as provider `local`.")
def up(
    config: Path | None,
    home: Path | None,
    host: str,
    port: int,
    workers: int,
    *,
    sim: bool,
    sim_port: int,
    local_model: bool,
) -> None:
    """Run everything on this machine: gateway, keeper with console, and the simulator if needed.

    Example: trimtab up --port 8080
    """
    _one_worker(workers)
    state = wiring.home(home)
    listener = _listen(host, port)
    port = listener.getsockname()[1]
    start = wiring.prepare(state, config, sim=sim, sim_port=sim_port, local_model=local_model)
    common = ["--home", str(state.absolute())]
    supervisor = Supervisor(click.echo, wiring.SystemClock().monotonic_s)
    for name, arguments in start.providers:
        supervisor.start(name, arguments)
    supervisor.start("keeper", ["keeper", *common, *start.config])
    listener.close()
    supervisor.start(
        "gateway", ["gateway", *common, *start.config, "--host", host, "--port", str(port)]
    )
    click.echo(_welcome(f"http://{host}:{port}", start))
    supervisor.run()


@click.command()
@_config
@_home
@_host
@_port
@_workers
def gateway(config: Path | None, home: Path | None, host: str, port: int, workers: int) -> None:
    """Run a gateway worker. It needs no keeper: what it serves waits in the spool.

    Example: trimtab gateway --port 8080
    """
    _one_worker(workers)
    wiring.run_gateway(wiring.home(home), config, _listen(host, port))


@click.command()
@_config
@_home
def keeper(config: Path | None, home: Path | None) -> None:
    """Run the keeper: recorder, log line, exporters, console and admin API.

    Example: trimtab keeper
    """
    wiring.run_keeper(wiring.home(home), config)


def _one_worker(workers: int) -> None:
    if workers != 1:
        raise SettingsInvalid(
            f"--workers {workers} would give each worker limits of its own; run one worker"
        )


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=BACKLOG)
    except OSError as exc:
        raise SettingsInvalid(
            f"cannot listen on {host}:{port} ({exc.strerror}); choose another --port"
        ) from exc
    listener.set_inheritable(False)
    return listener


def _welcome(url: str, start: wiring.Start) -> str:
    lines = ["", f"Trimtab is running.   apps  {url}/v1   people  {url}/console", ""]
    if start.admin_password:
        lines += [
            f"  console login  admin / {start.admin_password}   (shown this once; kept hashed)",
            "",
        ]
    for tenant, key in start.demo_keys:
        lines.append(f"  key of {tenant:<8} {key}")
    if start.demo_keys:
        lines += ["", *_snippets(url, start.demo_keys[0][1])]
    return "\n".join(lines)


def _snippets(url: str, key: str) -> list[str]:
    body = json.dumps(
        {"model": "chat", "messages": [{"role": "user", "content": "What is a trim tab?"}]}
    )
    return [
        f"curl {url}/v1/chat/completions -H 'authorization: Bearer {key}' \\",
        f"  -H 'content-type: application/json' -d '{body}'",
        "",
        "from openai import OpenAI",
        f'client = OpenAI(base_url="{url}/v1", api_key="{key}")',
        'answer = client.chat.completions.create(model="chat",',
        '    messages=[{"role": "user", "content": "What is a trim tab?"}])',
        "print(answer.choices[0].message.content)",
        "",
    ]
