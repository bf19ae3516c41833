"""The rules by which versions of a package are compared."""

from enum import StrEnum


class VersionScheme(StrEnum):
    """The order of one package manager. Versions of two schemes are never compared."""

    DEB = "deb"
    RPM = "rpm"
    APK = "apk"
