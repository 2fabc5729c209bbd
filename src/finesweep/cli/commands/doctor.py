"""``finesweep doctor``: what is wrong here, and ``--repair`` to put it right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from finesweep.cli import options
from finesweep.errors import EXIT_FAILED

if TYPE_CHECKING:
    from rich.text import Text

    from finesweep.sweeps.doctor import Finding

EXAMPLES = options.examples("doctor", "doctor --repair", "doctor --json")

# Of many findings that differ in their subject alone, so many are shown.
MOST_ALIKE = 5

_STYLES = {"ok": "green", "repaired": "green", "warning": "yellow", "problem": "red"}
_MARK_WIDTH = 10


def doctor(
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what can be put right.")
    ] = False,
    study: options.Study = None,
    as_json: options.Json = False,
    debug: options.Debug = False,  # noqa: ARG001 - its callback does the work
) -> None:
    """Look for what is wrong here, and repair it.

    Looks at the machine, the packages, the databases, free disk, and at what killed processes left
    behind. Nothing is touched without --repair.

    With it, trials that nobody runs are parked or ended, runs in MLflow are brought to agree with
    the study, what waits on disk is delivered, orphaned workers are killed and leftovers removed;
    the same 'finesweep run' then goes on from the last resume points. A sweep that is being run is
    left alone.

    Ends with 0 when no problem is left, with 1 otherwise.
    """
    from finesweep.cli.console import print_json
    from finesweep.cli.progress import waiting
    from finesweep.config.cache import cache_directory

    root = options.STORE_FOLDER.absolute()
    with waiting("repairing" if repair else "looking around"):
        from finesweep.sweeps.doctor import Place, examine

        place = Place(
            root=root,
            study_url=options.study_url(study),
            work=root / "work",
            cache=cache_directory(),
        )
        findings = examine(place, repair=repair)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    if any(finding.is_open for finding in findings):
        raise typer.Exit(EXIT_FAILED)


def _print(findings: Sequence[Finding]) -> None:
    from finesweep.cli.console import output, tell

    console = output()
    for kind, group in groupby(findings, key=lambda finding: finding.kind):
        tell(kind)
        for line in _lines(list(group)):
            console.print(line, soft_wrap=True)
    tell(f"\n{_summary(findings)}")


def _lines(findings: Sequence[Finding]) -> Iterator[Text]:
    """A line for each finding and one for what is to be done; many alike are cut short."""
    from rich.text import Text

    for _, group in groupby(findings, key=_likeness):
        alike = list(group)
        first = alike[0]
        for finding in alike[:MOST_ALIKE]:
            mark = "repaired" if finding.repaired else finding.level
            yield Text.assemble("  ", (f"{mark:<{_MARK_WIDTH}}", _STYLES[mark]), finding.what)
        indent = " " * (_MARK_WIDTH + 2)
        if len(alike) > MOST_ALIKE:
            yield Text(f"{indent}and {len(alike) - MOST_ALIKE} more like these: see --json")
        if first.advice and not first.repaired:
            yield Text(f"{indent}→ {first.advice}", style="dim")


def _likeness(finding: Finding) -> object:
    """What is the same of findings that can be shown as one; an ok or unadvised one is alone."""
    if finding.level == "ok" or finding.advice is None:
        return finding
    return replace(finding, subject="", what="")


def _summary(findings: Sequence[Finding]) -> str:
    problems = [finding for finding in findings if finding.is_open]
    warnings = [
        finding for finding in findings if finding.level == "warning" and not finding.repaired
    ]
    repaired = sum(finding.repaired for finding in findings)
    parts = [_count(problems, "problem"), _count(warnings, "warning")]
    if repaired:
        parts.append(f"{repaired} repaired")
    line = ", ".join(parts)
    repairable = sum(finding.repairable for finding in [*problems, *warnings])
    return f"{line}; --repair puts {repairable} of them right" if repairable else line


def _count(findings: Sequence[Finding], noun: str) -> str:
    return f"{len(findings) or 'no'} {noun}{'s' * (len(findings) != 1)}"
