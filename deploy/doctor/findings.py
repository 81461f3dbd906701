"""What the doctor finds. Sans-I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["warning", "error"]
EXIT_WARNINGS, EXIT_ERRORS = 1, 2


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, or will be."""

    check: str
    """Which check found it, such as ``clock``."""
    severity: Severity
    """``error``: it does not work. ``warning``: it works worse, or not for long."""
    words: str
    cure: str


def exit_code(findings: Sequence[Finding]) -> int:
    """0: nothing was found, 1: warnings, 2: errors."""
    severities = {finding.severity for finding in findings}
    if "error" in severities:
        return EXIT_ERRORS
    return EXIT_WARNINGS if severities else 0


def report(findings: Sequence[Finding], checked: Sequence[str]) -> str:
    """The findings for people, the worst first."""
    lines = []
    for finding in sorted(findings, key=lambda found: found.severity):
        mark = "ERROR  " if finding.severity == "error" else "warning"
        lines += [f"{mark} {finding.check}: {finding.words}", f"        → {finding.cure}"]
    errors = sum(finding.severity == "error" for finding in findings)
    counted = _counted(errors, "error"), _counted(len(findings) - errors, "warning")
    what = ", ".join(counted) if findings else "nothing is wrong"
    return "\n".join([*lines, f"mixminus doctor: {what} ({len(checked)} checks)"])


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
