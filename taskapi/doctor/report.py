"""The report: a line for each finding as it comes, and at the end what to do."""

from collections.abc import AsyncIterator

from rich.console import Console

from taskapi.doctor.findings import Finding

MARKS = {True: "[green]ok[/] ", False: "[red]bad[/]", None: "[dim] · [/]"}


async def print_report(findings: AsyncIterator[Finding]) -> bool:
    """Print the findings and the remedies. Returns whether none of them is bad."""
    console = Console(highlight=False, soft_wrap=True)
    bad: list[Finding] = []
    async for finding in findings:
        console.print(MARKS[finding.good], end=" ")
        console.print(f"{finding.subject}: {finding.text}", markup=False)
        if finding.good is False:
            bad.append(finding)
    remedies = [finding.remedy for finding in bad if finding.remedy is not None]
    if remedies:
        console.print("\nWhat to do, in this order:")
    for number, remedy in enumerate(remedies, 1):
        console.print(f"  {number}. {remedy}", markup=False)
    return not bad
