"""Measure version keys and comparisons per second, beside Python libraries that order versions.

Peers are measured where they are installed: univers, debian-inspector, python-debian. The versions
are those of the oracle files in PATCHCTL_TEST_DATA.
"""

import importlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "src"))
from patchctl.assessment.versions import InvalidVersionError, key_function
from patchctl.models.versions import VersionScheme

DATA = Path(os.environ.get("PATCHCTL_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
FILES = {
    VersionScheme.DEB: "deb-versions-generated.txt",
    VersionScheme.RPM: "rpm-versions.txt",
    VersionScheme.APK: "apk-versions-generated.txt",
}
# scheme -> module and class; compared by `<`, made from text
PEERS = {
    VersionScheme.DEB: [
        ("univers.versions", "DebianVersion"),
        ("debian_inspector.version", "Version.from_string"),
        ("debian.debian_support", "NativeVersion"),
    ],
    VersionScheme.RPM: [("univers.versions", "RpmVersion")],
    VersionScheme.APK: [("univers.versions", "AlpineLinuxVersion")],
}


def versions_of(scheme: VersionScheme) -> list[str]:
    """Return at least 10,000 valid versions in the file's order; they repeat where it has fewer."""
    make, versions = key_function(scheme), []
    for line in (DATA / "versions" / FILES[scheme]).read_text().splitlines():
        if line and not line.startswith(("# ", "// ")):
            try:
                make(version := line.split(" ")[0])
            except InvalidVersionError:
                continue
            versions.append(version)
    return versions * -(-10_000 // len(versions))


def reads(make: Callable[[str], Any], version: str) -> bool:
    """Return whether a library accepts the version. One that it refuses is not measured."""
    try:
        key = make(version)
        return bool(key <= key)
    except Exception:  # each library has its own
        return False


def rates(make: Callable[[str], Any], versions: Sequence[str]) -> tuple[float, float]:
    """Return keys a second and comparisons of neighbours a second, the best of three runs."""
    best = [float("inf")] * 2
    for _ in range(3):
        start = time.perf_counter()
        keys = [make(version) for version in versions]
        made = time.perf_counter()
        for key, following in pairwise(keys):
            key < following  # noqa: B015
        best = [min(best[0], made - start), min(best[1], time.perf_counter() - made)]
    return len(versions) / best[0], (len(versions) - 1) / best[1]


def main() -> None:
    print(f"{'':5}{'':60}{'keys/s':>12}{'compares/s':>14}")
    for scheme in VersionScheme:
        versions = versions_of(scheme)
        contestants: list[tuple[str, Callable[[str], Any]]] = [("patchctl", key_function(scheme))]
        for module, name in PEERS[scheme]:
            try:
                made: Any = importlib.import_module(module)
            except ImportError:
                print(f"{scheme:5}{module} is not installed", file=sys.stderr)
                continue
            for part in name.split("."):
                made = getattr(made, part)
            contestants.append((f"{module}.{name}", made))
        for title, make in contestants:
            read = [version for version in versions if reads(make, version)]
            keys, compares = rates(make, read)
            title += f" ({len(read) / len(versions):.0%} read)"
            print(f"{scheme:5}{title:60}{keys:12,.0f}{compares:14,.0f}")


if __name__ == "__main__":
    main()
