# A program of its own, outside any package, and holds sentences.
# ruff: noqa: E501
"""The page of the matrix: how every kind of request ends, from the table that its tests run."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # where `tests` is
from tests.e2e import matrix

_CHARGES = {
    "exact": "exact",
    "estimated": "estimated",
    "none": "nothing",
    "zero": "0, as the provider says",
}


def about() -> str:
    """Give the sentences that come first."""
    number = sum(
        1
        for wire in matrix.WIRES
        for stream in (False, True)
        for _ in matrix.cells(wire, stream=stream)
    )
    return (
        f"Wire of the caller x wire of the provider x stream x shape x fault: {number} requests, which the official"
        " SDKs ask on every run of the tests. Answer, usage, error, record and charge must be what these tables say,"
        " whatever the wires, and the charge what the provider bills where it says `exact`. Each is asked once, without"
        " retry or fallback, and costs one line of the ledger."
    )


def shapes() -> list[tuple[str, ...]]:
    """Give a row for every shape."""
    return [
        (name, shape.about, f"`{shape.reason}`", f"`{matrix.ENDS[shape.reason]}`")
        for name, shape in matrix.SHAPES.items()
    ]


def faults() -> list[tuple[str, ...]]:
    """Give a row for every fault, as `docs/reference/faults.md` tells what they do."""
    return [
        (
            f"`{fault.text}`" if fault.text else "none",
            _end(fault.whole, fault),
            _streamed(fault.openai, fault),
            _streamed(fault.anthropic, fault),
            "all" if len(fault.shapes) == len(matrix.SHAPES) else ", ".join(fault.shapes),
        )
        for fault in matrix.FAULTS
    ]


def errors() -> list[tuple[str, ...]]:
    """Give a row for every status that a caller may see here."""
    openai, anthropic = (matrix.RAISED[wire] for wire in matrix.WIRES)
    rows = [
        (str(status), *(f"`{of[status]}`" if status in of else "" for of in (openai, anthropic)))
        for status in sorted({*openai, *anthropic})
    ]
    return [*rows, ("error event", *(f"`{matrix.CUT_RAISES[wire]}`" for wire in matrix.WIRES))]


def _streamed(end: matrix.End, fault: matrix.Fault) -> str:
    told = _end(end, fault)
    return (
        told
        if fault.elsewhere is None
        else f"{told}; on the other wire: {_end(fault.elsewhere, fault)}"
    )


def _end(end: matrix.End, fault: matrix.Fault) -> str:
    charge = _CHARGES[end.charge]
    match end.kind:
        case "answer":
            return f"answer; {charge}"
        case "broken":
            return f"answer with the line as it came; {charge}"
        case "cut":
            return f"error event `{end.code}`; {charge}"
        case "error":
            status = "/".join(
                str(status)
                for status in dict.fromkeys(
                    matrix.status_of(end, fault, wire) for wire in matrix.WIRES
                )
            )
            return f"{status} `{end.code}`; {charge}"
