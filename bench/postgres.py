"""PostgreSQL alone: what the statements themselves cost."""

from collections.abc import Mapping

from bench import queries
from bench.load import Script, pgbench
from bench.operations import NEW, STOCK_PER_SECOND, USERS, Operation
from bench.peers import Job, Peer
from bench.stage import Stage
from taskapi.database.statement import Statement

MOST_CONNECTIONS = 20
"""As many as the service has, and as the contract allows."""

STATEMENTS: Mapping[Operation, Statement] = {
    Operation.ONE: queries.GET,
    Operation.LIST_100: queries.PAGE,
    Operation.LIST_1000: queries.PAGE,
    Operation.CREATE: queries.CREATE,
    Operation.UPDATE: queries.UPDATE,
    Operation.TOGGLE: queries.TOGGLE,
    Operation.DELETE: queries.DELETE,
}


class PgBench(Peer):
    """PostgreSQL alone: the service's statements from pgbench, prepared."""

    name = "PostgreSQL alone"

    def __init__(self, stage: Stage) -> None:
        self.database = [stage.postmaster]
        self._stage = stage
        self._loaded = stage.tasks.last_id()

    def job(self, operation: Operation, connections: int, seconds: int) -> Job:
        connections = min(connections, MOST_CONNECTIONS)
        user, tasks = USERS[operation], self._stage.tasks
        tasks.remove_after(self._loaded)
        length = [f"--time={seconds}"]
        stock = STOCK_PER_SECOND * seconds
        if operation is Operation.DELETE:
            tasks.add([user] * stock)
            length = [f"--transactions={stock // connections}", "--define=done=0"]
        tasks.tidy()
        keys = tasks.ids_of(user) or [0]
        variables = {"task_id": f"random({min(keys)}, {max(keys)})"}
        if operation is Operation.DELETE:
            next_key = f"{min(keys)} + :client_id + :done * {connections}"
            variables = {"task_id": next_key, "done": ":done + 1"}
        fixed = NEW | {"owner": user, "limit": 1000, "offset": 0}
        script = Script(STATEMENTS[operation], variables, fixed)
        return lambda: pgbench(script, self._stage.dsn, connections, length)
