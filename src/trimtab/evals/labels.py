"""Labels: what people said of answers, one JSON object a line, beside the dataset.

The file only grows. Of several labels of one rater for one answer the last one counts, by its
time: people think again, two branches that both added lines merge without a conflict, and what
was said before stays to be read. A label without a value takes the one before it back.
"""

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from trimtab.domain.errors import InvalidRequest, SettingsInvalid
from trimtab.domain.prompt import canonical, digest
from trimtab.domain.yaml_tree import Faults
from trimtab.evals.explain import explained

Rater = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._@+-]{1,80}$(?!\n)")]
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
SUFFIX = ".labels.jsonl"


class Label(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a rater said of an answer.

    Attributes:
        answer_hash: SHA-256 of the answer's text, hex; of both texts where two were compared.
        metric: What the suite calls it.
        value: 0 to 1, as scores are; `None` says nothing.
    """

    case_id: str
    answer_hash: Hash
    metric: str
    rater: Rater
    value: Annotated[float, Meta(ge=0, le=1)] | None
    at: Annotated[datetime, Meta(tz=True)]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What there is one label of."""
        return (self.metric, self.case_id, self.answer_hash, self.rater)


def labels_beside(manifest: Path) -> Path:
    """Name the file of labels of a suite."""
    return manifest.with_suffix(SUFFIX)


def read_labels(path: Path) -> tuple[Label, ...]:
    """Read every label there ever was, in the order of lines; none if there is no file.

    Raises:
        SettingsInvalid: one line `file:line: member: what; remedy` for each fault.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError as exc:
        raise SettingsInvalid(f"'{path}' is not UTF-8; save it as UTF-8") from exc
    faults, found = Faults(str(path)), list[Label]()
    members = tuple(it.name for it in msgspec.structs.fields(Label))
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found.append(msgspec.json.decode(line, type=Label))
        except msgspec.ValidationError as exc:
            faults.add(*explained(str(exc), members), number)
        except msgspec.DecodeError as exc:
            faults.add("", f"this is no label ({exc}); fix it", number)
    if faults.found:
        raise SettingsInvalid(faults.text())
    return tuple(found)


def append_labels(path: Path, labels: Sequence[Label]) -> None:
    """Add labels in one write, whoever else is adding; they are on the disk afterwards.

    Raises:
        InvalidRequest: a label could not be read again: nothing is added.
    """
    if not labels:
        return
    lines = b"".join(_line(it) for it in labels)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(file).st_size
        # What an editor left without an end of line gets one.
        ended = not size or os.pread(file, 1, size - 1) == b"\n"
        rest = lines if ended else b"\n" + lines
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    finally:
        os.close(file)


def _line(label: Label) -> bytes:
    line = msgspec.json.encode(label)
    try:
        msgspec.json.decode(line, type=Label)
    except msgspec.ValidationError as exc:
        member, what = explained(str(exc))
        raise InvalidRequest(f"{member}: {what}", param=member) from exc
    return line + b"\n"


def in_force(labels: Iterable[Label]) -> dict[tuple[str, str, str, str], Label]:
    """Keep what counts of each rater, answer and metric, oldest first."""
    found = dict[tuple[str, str, str, str], Label]()
    for it in sorted(labels, key=lambda it: it.at):
        found.pop(it.key, None)
        found[it.key] = it
    return found


def labels_hash(labels: Iterable[Label], metric: str) -> str:
    """SHA-256 of all that counts for a metric, hex; neither order nor time do."""
    counted = [
        [it.case_id, it.answer_hash, it.rater, it.value]
        for it in in_force(labels).values()
        if it.metric == metric and it.value is not None
    ]
    return digest(canonical(sorted(counted)))


def bring_over(source: Path, target: Path) -> int:
    """Add those labels of one file to another that are not in there; returns how many.

    Raises:
        SettingsInvalid: one of the files is malformed.
    """
    there = set(read_labels(target))
    missing = [it for it in dict.fromkeys(read_labels(source)) if it not in there]
    append_labels(target, missing)
    return len(missing)
