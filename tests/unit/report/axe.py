"""axe-core (Deque, MPL-2.0) in the browser: what it finds wrong with a page by the rules of WCAG 2 A and AA.

No maintained package on PyPI ships it for selenium, so it comes from the npm registry, one release, pinned by its digest:
on first use into a folder that outlives the tests, or EDGEKIT_AXE names an axe.min.js of one's own.
"""

import base64
import hashlib
import io
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

VERSION = "4.14.1"
INTEGRITY = (
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="  # sha512, the registry's
)
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
_CACHE = Path.home() / ".cache" / "edgekit-tests"


def source():
    """The text of axe.min.js. Where it cannot be had, that fails a test in CI (EDGEKIT_CI) and skips it elsewhere."""
    if named := os.environ.get("EDGEKIT_AXE"):
        return Path(named).read_text(encoding="utf-8")
    path = _CACHE / f"axe-{VERSION}.min.js"
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else _fetched(path)
    except (OSError, subprocess.SubprocessError) as error:
        reason = f"axe-core {VERSION} is not here and npm cannot fetch it: {error}"
        (pytest.fail if os.environ.get("EDGEKIT_CI") else pytest.skip)(reason)


def _fetched(path):
    with tempfile.TemporaryDirectory() as packed:
        argv = ["npm", "pack", "--silent", "--pack-destination", packed, f"axe-core@{VERSION}"]
        subprocess.run(argv, check=True, capture_output=True, timeout=300)
        archive = next(Path(packed).glob("*.tgz")).read_bytes()
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != INTEGRITY:
        raise RuntimeError(f"axe-core {VERSION} is not the package that it was")
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        content = package.extractfile("package/axe.min.js").read()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).rename(path)
    return content.decode()


def violations(driver):
    """{"rule (impact)": where} of everything serious or critical; all details must be open to be looked at."""
    driver.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    driver.execute_script(source())
    options = {"runOnly": {"type": "tag", "values": list(TAGS)}, "resultTypes": ["violations"]}
    found = driver.execute_async_script(
        "axe.run(document, arguments[0]).then(arguments[1], (e) => arguments[1](String(e)))", options
    )
    assert isinstance(found, dict), found
    assert found["passes"] or found["violations"], "axe looked at nothing"
    return {
        f"{rule['id']} ({rule['impact']})": [(node["target"], node["failureSummary"]) for node in rule["nodes"][:4]]
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
    }
