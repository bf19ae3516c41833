"""The rule sets that order a package's versions."""

from enum import StrEnum


class VersionScheme(StrEnum):
    """One package manager's order. Versions of different schemes never compare."""

    DEB = "deb"
    RPM = "rpm"
    APK = "apk"
