"""Findings as text: for people, for programs, and for where pull requests are read."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from urllib.parse import quote

import msgspec

from trimtab.registry.finding import RULES, Finding, Level

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


class Form(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def report(findings: Sequence[Finding], form: Form) -> str:
    """Write findings, without an end of line; nothing found is an empty list, or nothing."""
    match form:
        case Form.TEXT:
            return "\n".join(_text(it) for it in findings)
        case Form.JSON:
            return msgspec.json.encode([_members(it) for it in findings]).decode()
        case Form.GITHUB:
            return "\n".join(_command(it) for it in findings)
        case Form.SARIF:
            return msgspec.json.encode(_sarif(findings)).decode()


def _text(finding: Finding) -> str:
    where = f"{finding.path}:{finding.line}"
    return f"{where}: {finding.rule} {finding.level} {finding.message}"


def _members(finding: Finding) -> Mapping[str, object]:
    members = ("rule", "level", "path", "line", "message")
    return {it: getattr(finding, it) for it in members}


def _command(finding: Finding) -> str:
    """Write a workflow command of GitHub Actions."""
    kind = "error" if finding.level is Level.ERROR else "warning"
    path = _escaped(finding.path).replace(":", "%3A").replace(",", "%2C")
    where = f"file={path},line={finding.line},title={finding.rule}"
    return f"::{kind} {where}::{_escaped(finding.message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _sarif(findings: Sequence[Finding]) -> Mapping[str, object]:
    """Write a log of SARIF 2.1.0."""
    rules = sorted({it.rule for it in findings})
    driver = {
        "name": "trimtab prompts lint",
        "rules": [{"id": it, "shortDescription": {"text": RULES[it].about}} for it in rules],
    }
    run = {"tool": {"driver": driver}, "results": [_result(it) for it in findings]}
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(finding: Finding) -> Mapping[str, object]:
    where = {
        "artifactLocation": {"uri": quote(finding.path.replace("\\", "/"))},
        "region": {"startLine": finding.line},
    }
    return {
        "ruleId": finding.rule,
        "level": "error" if finding.level is Level.ERROR else "warning",
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": where}],
    }
