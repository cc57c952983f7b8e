"""`stc-doctor`: what is installed here, what is broken, and the command that mends it."""

# ruff: noqa: T201

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from stc.cli import Parser, run


def main(argv: Sequence[str]) -> int:
    parser = Parser(prog="stc-doctor", description="Check what this machine can run, and how to mend what it cannot.")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    arguments = parser.parse_args(argv)

    from stc.runtime.machine.doctor import examine

    report = examine()
    if arguments.json:
        print(json.dumps(asdict(report), indent=1))
    else:
        width = max(len(finding.name) for finding in report.findings)
        for finding in report.findings:
            print(f"{finding.status:8}{finding.name:{width}}  {finding.detail}")
            if finding.fix:
                print(f"{'':8}{'':{width}}  fix: {finding.fix}")
        print(f"verdict: {report.verdict}")
    return 0 if report.engines else 2


def entry() -> None:
    sys.exit(run(main))
