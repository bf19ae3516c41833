"""Rules about hosts that are the same for every stage.

Host scripts use some of them too: roles/patch_connection/files/host_rules.sh has the same lists and
numbers, and a test compares the two files.
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
# Login sessions of people: they end when the person logs out, and need no reboot for that.
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
    """Return whether old code in the unit runs until the host is rebooted."""
    return any(fnmatchcase(unit, glob) for glob in WAITS_FOR_REBOOT)


def is_login(unit: str) -> bool:
    """Return whether the unit is a person's login session."""
    return any(fnmatchcase(unit, glob) for glob in LOGINS)


# A kernel's image and map, and the initial RAM disk that is made for it: 60 to 90 MiB on Debian 12.
KERNEL_KIB = 96 * 1024
_MADE_ANEW = ("grub", "initramfs-tools", "dracut", "microcode_ctl")


def boot_kib(changes: Iterable[tuple[str, Action]]) -> int:
    """Return how many KiB a transaction may need in /boot.

    Each new kernel needs space. Without a new kernel, a new initial RAM disk may be built beside
    the old one before it replaces it. On newer systems the image of `kernel` is in `kernel-core`:
    both together are one kernel.
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
    """Return how many KiB a transaction may need below /usr and below patchctl's own folder.

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


# Packages besides kernels that need a reboot to take effect: those of `needs-restarting -r` of
# dnf-utils, and those that call notify-reboot-required on Debian and Ubuntu.
_BY_REBOOT = frozenset(
    {"linux-firmware", "intel-microcode", "amd64-microcode", "microcode_ctl", "libc6", "glibc"}
    | {"systemd", "dbus", "dbus-broker", "dbus-daemon"}
)
_ABI = re.compile(r"[0-9]|rpi[0-9]+$")
_VARIANT = re.compile(r"\.(?:x86_64|aarch64|ppc64le|s390x)(\+.*)")


def takes_effect_by_reboot(package: str) -> bool:
    """Return whether the new version of the package runs only after a reboot."""
    return package in _BY_REBOOT or boots(package)


def waiting_kernel(running: str, installed: Iterable[str], *, managed: bool) -> str:
    """Return the newest installed kernel where an older one of its kind runs, else "".

    A host with the kinds amd64 and cloud-amd64, or with a Raspberry Pi's v8 and 2712, boots one of
    the two, and no reboot starts the other. `managed` is False in a container, which runs no kernel
    of its own.
    """
    kin = [name for name in installed if "rescue" not in name and _kind(name) == _kind(running)]
    newest = newest_kernel(kin)
    return newest if managed and running in kin and newest != running else ""


def newest_kernel(kernels: Iterable[str]) -> str:
    """Return the highest kernel in natural order (digits compare as numbers), "" for none."""
    return max(kernels, key=natural, default="")


def natural(text: str) -> list[tuple[int, int, str]]:
    """Return a sort key in which digits compare as numbers.

    It is good enough to sort kernels; only a package manager's own rules decide which version of a
    package is newer.
    """
    return [
        (1, int(part), "") if part.isdigit() and part.isascii() else (0, 0, part)
        for part in re.findall(r"[0-9]{1,18}|[^0-9]+", text)
    ]


def _kind(release: str) -> str:
    """Return the part after the numbers in a kernel's release, such as `cloud-amd64`."""
    parts = release.split("-")
    while parts and _ABI.match(parts[0]):
        parts.pop(0)
    variant = _VARIANT.search(release)
    return "-".join([*parts, variant[1] if variant else "", "uek" if "uek" in release else ""])


# Locks that package managers hold while they only fetch package lists, and change no package.
APT_LISTS_LOCK = "/var/lib/apt/lists/lock"
DNF_LISTS_LOCK = "/var/cache/dnf/metadata_lock.pid"
LISTS_LOCKS = frozenset({APT_LISTS_LOCK, DNF_LISTS_LOCK})


def locks_lists(path: str) -> bool:
    """Return whether the lock only keeps others from fetching package lists.

    A site may have moved dnf's lock to another folder.
    """
    return path in LISTS_LOCKS or path.endswith("/metadata_lock.pid")


# Units that install packages while they are active. packagekit.service is not one, because it also
# answers queries (apt itself starts it after each run). unattended-upgrades.service is not one,
# because it only waits for the shutdown.
UPDATERS_AT_WORK = (
    "apt-daily-upgrade.service",
    "dnf-automatic.service",
    "dnf-automatic-install.service",
    "dnf5-automatic.service",
    "packagekit-offline-update.service",
)
_OFF = frozenset({"", "0", "false", "no", "off", "never", "disable"})


def is_off(value: str) -> bool:
    """Return whether the value of an updater's setting means "off"."""
    return value.lower() in _OFF


def apt_upgrades_itself(settings: Mapping[str, str]) -> bool:
    """Return whether apt's settings switch unattended-upgrades on.

    Where Enable is 0, /usr/lib/apt/apt.systemd.daily does nothing at all.
    """
    every = settings.get("APT::Periodic::Unattended-Upgrade", "")
    return not is_off(every) and settings.get("APT::Periodic::Enable", "1") != "0"
