"""Rules about hosts that are the same for every stage.

Host scripts use some of them, too: roles/patch_connection/files/host_rules.sh has the same lists
and numbers, and a test compares the two.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from .kernel_names import boots, is_deb_image, is_rpm_image, rpm_family
from .plan import Action

# Units that are never restarted in a running system: that would end desktops, containers or the
# network. Globs of names.
WAITS_FOR_REBOOT = (
    "init.scope",
    "dbus.service",
    "dbus-broker.service",
    "systemd-logind.service",
    "gdm*.service",
    "sddm.service",
    "lightdm.service",
    "docker.service",
    "podman*.service",
    "libvirtd.service",
    "virtlogd.service",
    "virtlockd.service",
    "networking.service",
    "NetworkManager.service",
    "wpa_supplicant.service",
    "systemd-networkd.service",
    "openvpn*.service",
)
# Sessions of people: only they end them, and they need no reboot to end.
LOGINS = (
    "session-*.scope",
    "user@*.service",
    "getty@*.service",
    "serial-getty@*.service",
    "console-getty.service",
    "container-getty@*.service",
    "emergency.service",
    "rescue.service",
)


def waits_for_reboot(unit: str) -> bool:
    """True where old code in the unit keeps running until the host is rebooted."""
    return any(fnmatchcase(unit, glob) for glob in WAITS_FOR_REBOOT)


def is_login(unit: str) -> bool:
    """True for somebody's session."""
    return any(fnmatchcase(unit, glob) for glob in LOGINS)


# A kernel's image and map, and the initial RAM disk that is made for it: 60 to 90 MiB on Debian 12.
KERNEL_KIB = 96 * 1024
_MADE_ANEW = ("grub", "initramfs-tools", "dracut", "microcode_ctl")


def boot_kib(changes: Iterable[tuple[str, Action]]) -> int:
    """KiB that a transaction may take in /boot.

    That is each new kernel, and where there is none, what is built beside the old file before it
    replaces it. The image of `kernel` lies in `kernel-core` on newer systems: both are one kernel.
    """
    kernels = set()
    rebuilt = 0
    for name, action in changes:
        image = is_deb_image(name) or is_rpm_image(name)
        if action is Action.NEW and image:
            kernels.add(rpm_family(name) if is_rpm_image(name) else name)
        if action is not Action.REMOVE and (image or name.startswith(_MADE_ANEW)):
            rebuilt = 1
    return (len(kernels) or rebuilt) * KERNEL_KIB


RESERVE_KIB = 8 * 1024
SPARE_KIB = 32 * 1024


def packages_kib(changes: Iterable[tuple[Action, int, int]]) -> tuple[int, int]:
    """KiB that a transaction may take below /usr and below patchctl's own folder.

    `changes` are (action, bytes of the new file, KiB of what is installed). Preflight calculates
    the same on the host.
    """
    files = grown = most = keep = 0.0
    for action, size, installed in changes:
        new = 0 if action is Action.REMOVE else size / 1024
        files += new
        grown += max(0, 4 * new - installed)
        most = max(most, installed)
        keep += installed / 2
    return int(grown + most + SPARE_KIB), int(files + keep + RESERVE_KIB + SPARE_KIB)


# Packages that take effect only by a reboot, beside kernels: by `needs-restarting -r` of dnf-utils,
# and notify-reboot-required of Debian's and Ubuntu's packages.
_BY_REBOOT = frozenset(
    {"linux-firmware", "intel-microcode", "amd64-microcode", "microcode_ctl", "libc6", "glibc"}
    | {"systemd", "dbus", "dbus-broker", "dbus-daemon"}
)
_ABI = re.compile(r"[0-9]|rpi[0-9]+$")
_VARIANT = re.compile(r"\.(?:x86_64|aarch64|ppc64le|s390x)(\+.*)")


def takes_effect_by_reboot(package: str) -> bool:
    """True for a package whose new version runs only after a reboot."""
    return package in _BY_REBOOT or boots(package)


def waiting_kernel(running: str, installed: Iterable[str], *, managed: bool) -> str:
    """The newest installed kernel where an older one of its kind runs, else "".

    A host with amd64 and cloud-amd64, or with a Raspberry Pi's v8 and 2712, boots one of the two,
    and no reboot starts the other. `managed` is False in a container, which runs no kernel of its
    own.
    """
    kin = [name for name in installed if "rescue" not in name and _kind(name) == _kind(running)]
    newest = newest_kernel(kin)
    return newest if managed and running in kin and newest != running else ""


def newest_kernel(kernels: Iterable[str]) -> str:
    """The highest by natural order: digits compare as numbers. "" where there is none."""
    return max(kernels, key=natural, default="")


def natural(text: str) -> list[tuple[int, int, str]]:
    """A sort key in which digits compare as numbers. Good enough to show kernels in order; which
    version is newer, only a package manager's own rules decide."""
    return [
        (1, int(part), "") if part.isdigit() and part.isascii() else (0, 0, part)
        for part in re.findall(r"[0-9]{1,18}|[^0-9]+", text)
    ]


def _kind(release: str) -> str:
    """The part after the numbers of a kernel's release."""
    parts = release.split("-")
    while parts and _ABI.match(parts[0]):
        parts.pop(0)
    variant = _VARIANT.search(release)
    return "-".join([*parts, variant[1] if variant else "", "uek" if "uek" in release else ""])


# Locks that package managers hold while they only fetch lists of packages; packages do not change.
APT_LISTS_LOCK = "/var/lib/apt/lists/lock"
DNF_LISTS_LOCK = "/var/cache/dnf/metadata_lock.pid"
LISTS_LOCKS = frozenset({APT_LISTS_LOCK, DNF_LISTS_LOCK})


def locks_lists(path: str) -> bool:
    """Does the lock keep others only from bringing lists of packages? A site may move dnf's."""
    return path in LISTS_LOCKS or path.endswith("/metadata_lock.pid")


# Units that install packages while they are active. packagekit.service and
# unattended-upgrades.service are not among them: the first answers questions (apt itself wakes it
# after each run), the second waits for the shutdown.
UPDATERS_AT_WORK = (
    "apt-daily-upgrade.service",
    "dnf-automatic.service",
    "dnf-automatic-install.service",
    "dnf5-automatic.service",
    "packagekit-offline-update.service",
)
_OFF = frozenset({"", "0", "false", "no", "off", "never", "disable"})


def is_off(value: str) -> bool:
    """True where a setting of an updater says no."""
    return value.lower() in _OFF


def apt_upgrades_itself(settings: Mapping[str, str]) -> bool:
    """True where apt's settings switch unattended-upgrades on.

    /usr/lib/apt/apt.systemd.daily does nothing at all where Enable is 0.
    """
    every = settings.get("APT::Periodic::Unattended-Upgrade", "")
    return not is_off(every) and settings.get("APT::Periodic::Enable", "1") != "0"
