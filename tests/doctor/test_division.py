"""`taskapi doctor` says how the tables are divided, and what a sharded server lacks."""

import pytest

from support.doctor import examined
from support.own_database import OwnDatabase
from support.partitions import partition
from support.service import as_service, prepare
from taskapi.database.tables import own_tables
from taskapi.doctor.division import APPLY, division_finding

CITUS = {"citus": "13.2-1", "partitions": 0, "whole": []}
COORDINATOR = {"group": 0, "distributed": [*own_tables()], "is_revision_everywhere": False}


def test_tables_in_partitions_are_told_from_whole_ones(own: OwnDatabase) -> None:
    prepare(own.address)
    assert examined(as_service(own.address))["tables"].text == "whole, on one server"
    partition(own.address)
    found = examined(as_service(own.address))
    assert found["tables"].text == "in 32 hash partitions, on one server"
    assert not [finding for finding in found.values() if finding.good is False]


@pytest.mark.parametrize(
    ("citus", "text", "remedy"),
    [
        (COORDINATOR, "Citus 13.2-1, coordinator; distributed by user", None),
        (
            COORDINATOR | {"distributed": ["tasks", "user_clocks", "task_keys", "tombstones"]},
            "Citus 13.2-1, coordinator; not distributed: kept_answers",
            APPLY,
        ),
        (
            COORDINATOR | {"group": 2},
            "Citus 13.2-1, worker of group 2, which has no table of the schema's revision",
            APPLY,
        ),
        (
            COORDINATOR | {"group": 2, "is_revision_everywhere": True},
            "Citus 13.2-1, worker of group 2; distributed by user",
            None,
        ),
    ],
)
def test_what_citus_lacks_has_a_remedy(
    citus: dict[str, object], text: str, remedy: str | None
) -> None:
    found = division_finding(CITUS, citus)
    assert (found.text, found.remedy) == (text, remedy)
    assert found.good is (remedy is None)
