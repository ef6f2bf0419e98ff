"""Findings as text for people, as JSON, and as an exit code."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sidecar.check.finding import Finding, Severity
from sidecar.errors import ExitCode


@dataclass(frozen=True, slots=True)
class Report:
    """``checked`` names what was looked at, ``skipped`` what was not, with the reason."""

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """78 when an error was found; warnings and notes do not fail."""
        return ExitCode.CONFIG if self.count(Severity.ERROR) else ExitCode.OK

    def count(self, severity: Severity) -> int:
        return sum(finding.severity is severity for finding in self.findings)


def as_text(report: Report) -> str:
    """The worst first; a last line that counts."""
    parts = [_shown(finding) for finding in _worst_first(report.findings)]
    parts += [f"not checked: {what}\n" for what in report.skipped]
    parts.append(f"checked: {', '.join(report.checked) or 'nothing'}\n{_counted(report)}\n")
    return "\n".join(parts)


def as_json(report: Report) -> str:
    """``{"findings": [{"id", "severity", "where", "what", "mend", "link"}], "checked", "skipped", "errors", ...}``."""
    findings = [
        {
            "id": finding.id,
            "severity": finding.severity,
            "where": finding.where,
            "what": finding.what,
            "mend": finding.mend,
            "link": finding.link,
        }
        for finding in _worst_first(report.findings)
    ]
    counts = {f"{severity}s": report.count(severity) for severity in Severity}
    return json.dumps({"findings": findings, "checked": report.checked, "skipped": report.skipped, **counts}, indent=2)


def _shown(finding: Finding) -> str:
    lines = (
        f"{finding.severity}  {finding.id}  {finding.where}",
        f"  {finding.what}",
        f"  mend: {finding.mend}",
        f"  see:  {finding.link}",
    )
    return "\n".join(lines) + "\n"


def _worst_first(findings: Sequence[Finding]) -> list[Finding]:
    order = list(Severity)
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def _counted(report: Report) -> str:
    counts = [(report.count(severity), severity) for severity in Severity]
    return ", ".join(f"{count} {severity}{'' if count == 1 else 's'}" for count, severity in counts)
