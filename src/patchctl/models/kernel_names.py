"""Recognise kernels by the names of their packages, for every stage."""

import re
from fnmatch import fnmatchcase

# Amazon Linux has kernel6.12 beside kernel.
_RPM_FAMILY = (
    r"kernel(?:[0-9]+\.[0-9]+)?"
    r"(?:-(?:rt|64k|debug|zfcpdump|kvm|uek|lt|ml|plus|default|azure|preempt))*"
)
_RPM_IMAGE = re.compile(rf"{_RPM_FAMILY}(?:-(?:core|base|uki-virt))?")
_RPM_PART = re.compile(
    rf"{_RPM_FAMILY}(?:-(?:core|base|uki-virt|uki-virt-addons|devel|devel-matched"
    r"|modules(?:-(?:core|extra|extra-matched|internal|partner))?))?"
)
_RPM_SOURCE = re.compile(
    r"kernel(?:[0-9]+\.[0-9]+)?(?:-(?:rt|64k|uek|lt|ml|default|azure|preempt|source))?"
)
# Kernels whose source package has a name of its own; kernel-64k is built from `kernel`.
_RPM_OWN_SOURCE = re.compile(
    r"kernel(?:[0-9]+\.[0-9]+)?(?:-(?:rt|uek|lt|ml|default|azure|preempt)(?![a-z]))?"
)
_DEB_IMAGE = re.compile(r"linux-image-(?:unsigned-)?[0-9].*")
_DEB_PART = re.compile(r"linux-(?:image|modules|modules-extra)-(?:unsigned-)?[0-9].*")
# linux-firmware, linux-base and linux-atm are not kernels.
_DEB_SOURCE = re.compile(
    r"linux(?:-(?:[0-9]|aws|azure|gcp|gke|gkeop|oracle|kvm|hwe|lowlatency|raspi|ibm|oem|nvidia|riscv"
    r"|meta|intel|iot|xilinx|bluefield|fips|realtime|allwinner|starfive|lts).*)?"
)


def is_deb_image(name: str) -> bool:
    """Return whether a package has one kernel's image in /boot, on Debian and its derivatives."""
    return _DEB_IMAGE.fullmatch(name) is not None


def is_deb_part(name: str) -> bool:
    """Return whether it is a part of one bootable kernel, which stays beside newer ones."""
    return _DEB_PART.fullmatch(name) is not None


def is_deb_source(source: str) -> bool:
    """Return whether it is a source package of kernels, their headers and meta packages."""
    return source.startswith("linux") and _DEB_SOURCE.fullmatch(source) is not None


def is_rpm_image(name: str) -> bool:
    """Return whether a package has one kernel's image in /boot, on rpm systems."""
    return name.startswith("kernel") and _RPM_IMAGE.fullmatch(name) is not None


def rpm_family(image: str) -> str:
    """Return the kernel that an image belongs to, on rpm systems: `kernel` for `kernel-core`."""
    for ending in ("-core", "-base", "-uki-virt"):
        image = image.removesuffix(ending)
    return image


def is_rpm_part(name: str) -> bool:
    """Return whether it is a part of one bootable kernel, which stays beside newer ones."""
    return name.startswith("kernel") and _RPM_PART.fullmatch(name) is not None


def is_rpm_source(source: str) -> bool:
    """Return whether it is a source package of kernels, their headers and tools."""
    return source.startswith("kernel") and _RPM_SOURCE.fullmatch(source) is not None


def rpm_source_of(name: str) -> str:
    """Return the source package that a part of a kernel is usually built from, by its name only."""
    match = _RPM_OWN_SOURCE.match(name)
    return match[0] if match else ""


def is_meta(name: str) -> bool:
    """Return whether it is a Debian package that installs the newest kernel: linux-image-amd64."""
    return name.startswith("linux-image-") and not is_deb_image(name)


def boots(name: str) -> bool:
    """Return whether the package installs a kernel that starts only with the next boot."""
    return is_deb_image(name) or is_meta(name) or is_rpm_image(name)


# A kernel must not be undone automatically, even if no pattern above knows its name. So these match
# more names than those of kernels.
_PERHAPS = ("linux-image-*", "linux-modules-*", "kernel", "kernel-*", "raspi-firmware")
_PERHAPS_SOURCES = ("linux-signed-*", "kernel")


def may_be_kernel(name: str, source: str) -> bool:
    """Return whether the package, built from that source, may be a kernel or install one."""
    return any(fnmatchcase(name, glob) for glob in _PERHAPS) or any(
        fnmatchcase(source, glob) for glob in _PERHAPS_SOURCES
    )
