"""The quickstart of docs/better-auth.md, and the example: their TypeScript fits what they import.

Next.js is not installed, because it has 400 MB. What the page uses of it is declared below.
"""

import json
import re
import subprocess
from pathlib import Path

from support.example import PAGE, needs
from support.machine import ROOT
from support.typescript_client import node
from support.waiting import PATIENCE

TEXT = (ROOT / "docs" / "better-auth.md").read_text()
FILES = dict(re.findall(r"^```tsx?\n// (\S+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))

NEXT = 'declare module "next/headers" { export function headers(): Promise<Headers>; }'


def test_it_and_the_example_fit_better_auth_vite_and_the_client(tmp_path: Path) -> None:
    needs()
    for name, code in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(code)
    (tmp_path / "next.d.ts").write_text(NEXT)
    (tmp_path / "node_modules").symlink_to(PAGE / "node_modules")
    # In one run, because most of its time is for the types of Better Auth.
    files = [".", *(str(PAGE / name) for name in ("src", "server", "vite.config.ts"))]
    options = {"extends": str(PAGE / "tsconfig.json"), "include": files}
    (tmp_path / "tsconfig.json").write_text(json.dumps(options))
    done = subprocess.run(
        [node(), PAGE / "node_modules" / ".bin" / "tsc"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 0)


def test_its_proxy_is_the_one_of_the_example() -> None:
    found = re.search(
        r"^const service: .*?^};\n", FILES["vite.config.ts"], re.MULTILINE | re.DOTALL
    )
    assert found
    assert found[0] in (PAGE / "vite.config.ts").read_text()


def test_every_block_of_typescript_is_a_file() -> None:
    assert len(FILES) == len(re.findall(r"^```tsx?$", TEXT, re.MULTILINE)) > 0
