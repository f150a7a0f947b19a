"""`trimtab sim`: a provider that needs no key and fails on demand."""

import click

from trimtab.cli.output import print_json
from trimtab.sim import serve


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=9000, show_default=True, help="Port to listen on.")
@click.option("--seed", default=7, show_default=True, help="Seed of every answer and latency.")
@click.option(
    "--latency",
    default="instant",
    show_default=True,
    type=click.Choice(["instant", "chatgpt-like", "slow", "cold"]),
    help="How long answers take.",
)
@click.option("--fault", multiple=True, help="A fault, as 'cut_after:3 rate=0.02 model=sim/large'.")
@click.option("--json", "as_json", is_flag=True, help="Print what was started as one JSON line.")
def command(
    host: str, port: int, seed: int, latency: str, fault: tuple[str, ...], *, as_json: bool
) -> None:
    """Simulate an OpenAI- and Anthropic-compatible provider, with faults on demand.

    Example: trimtab sim --port 9000 --fault 'cut_after:3 rate=0.02' --latency chatgpt-like
    """

    def announce(url: str) -> None:
        if as_json:
            print_json({"role": "sim", "url": url, "seed": seed}, indent=None)
        else:
            click.echo(f"sim on {url}  openai /v1  anthropic /  admin /_sim   seed {seed}")

    serve.run(host, port, seed=seed, latency=latency, faults=fault, announce=announce)
