"""Whether the docs page's files are the listed ones, and the DOMPurify inside has no known flaw.

python -m scripts.check_assets
"""

import re
import sys

from packaging.version import Version

from taskapi.openapi.assets import ASSETS, DOMPURIFY, SWAGGER_UI, asset_file
from taskapi.openapi.docs_page import integrity_of

FIRST_GOOD_DOMPURIFY = Version("3.4.13")
"""The newest fix of a published flaw: GHSA-748c-f84h-hp2v (CVE-2026-75838). The fixes before:
3.4.11 (GHSA-cmwh-pvxp-8882), 3.4.7 (GHSA-76mc-f452-cxcm), 3.4.6 (CVE-2026-49458, CVE-2026-49459).
With a new advisory, its fix stands here, and the lock is renewed."""

SWAGGER_UI_INSIDE = re.compile(r'PACKAGE_VERSION:"([\d.]+)"')
DOMPURIFY_INSIDE = re.compile(r'DOMPurify\.version="([\d.]+)"')


def mistakes() -> list[str]:
    """What is wrong, one sentence each."""
    bundle = asset_file("swagger-ui-bundle.js").read_text()
    found = [
        f"{name} is {actual}, and listed as {asset.integrity}"
        for name, asset in ASSETS.items()
        if (actual := integrity_of(asset_file(name).read_bytes())) != asset.integrity
    ]
    for what, pattern, listed in (
        ("Swagger UI", SWAGGER_UI_INSIDE, SWAGGER_UI),
        ("DOMPurify", DOMPURIFY_INSIDE, DOMPURIFY),
    ):
        inside = pattern.findall(bundle)
        if inside != [listed]:
            found.append(f"{what} inside is {inside}, and listed as {listed}")
    if Version(DOMPURIFY) < FIRST_GOOD_DOMPURIFY:
        found.append(f"DOMPurify {DOMPURIFY} has published flaws; {FIRST_GOOD_DOMPURIFY} has none")
    return found


def main() -> None:
    """Compare, and print what was found."""
    if found := mistakes():
        sys.exit("Assets of /docs:\n" + "\n".join(found))
    print(f"Assets: {len(ASSETS)} files as listed, Swagger UI {SWAGGER_UI}, DOMPurify {DOMPURIFY}.")


main()
