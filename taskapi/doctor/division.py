"""How the tables are divided, and what a sharded server still lacks."""

from typing import Any

from taskapi.database.division import distribution, division, is_distributed
from taskapi.database.statement import Statement, compiled
from taskapi.database.tables import own_tables
from taskapi.doctor.findings import Finding

SUBJECT = "tables"

APPLY = "apply the files of deploy/citus to the coordinator, in their order, as the tables' owner"


def division_statement() -> Statement:
    """The statement of `database.division.division`."""
    return compiled(division())


def distribution_statement() -> Statement:
    """The statement of `database.division.distribution`."""
    return compiled(distribution())


def division_finding(row: Any, citus: Any) -> Finding:
    """How our tables are divided.

    Args:
        row: of `database.division.division`.
        citus: of `database.division.distribution`; None without Citus.
    """
    if citus is not None:
        return _distribution(row["citus"], citus)
    if not row["partitions"]:
        return Finding(SUBJECT, "whole, on one server", good=None)
    text = f"in {row['partitions']} hash partitions, on one server"
    if row["whole"]:
        text += f"; whole: {', '.join(row['whole'])}"
    return Finding(SUBJECT, text, good=None)


def _distribution(version: str, citus: Any) -> Finding:
    server = f"worker of group {citus['group']}" if citus["group"] else "coordinator"
    where = f"Citus {version}, {server}"
    if not is_distributed(citus):
        whole = [name for name in own_tables() if name not in citus["distributed"]]
        text = f"{where}; not distributed: {', '.join(whole)}"
        return Finding(SUBJECT, text, good=False, remedy=APPLY)
    if citus["group"] and not citus["is_revision_everywhere"]:
        text = f"{where}, which has no table of the schema's revision"
        return Finding(SUBJECT, text, good=False, remedy=APPLY)
    return Finding(SUBJECT, f"{where}; distributed by user")
