"""Questions about a host that have one answer, for every stage.

Host scripts ask some of them, too: roles/patch_connection/files/host_rules.sh has the same lists
and numbers, and a test compares the two.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from .kernel_names import is_deb_image
from .plan import Action

# Units that nobody restarts under a running system: that would end desktops, containers or the
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
# People's sessions: nobody else ends them, and they need no reboot to end.
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
    """True where old code in the unit goes on until the host is booted anew."""
    return any(fnmatchcase(unit, glob) for glob in WAITS_FOR_REBOOT)


def is_login(unit: str) -> bool:
    """True for somebody's session."""
    return any(fnmatchcase(unit, glob) for glob in LOGINS)


# A kernel's image and map, and the initial RAM disk that is made for it: 60 to 90 MiB on Debian 12.
KERNEL_KIB = 96 * 1024
_MADE_ANEW = ("grub", "initramfs-tools", "dracut")


def boot_kib(changes: Iterable[tuple[str, Action]]) -> int:
    """KiB that a transaction may take in /boot: each kernel that comes, and where none does, what
    is made anew beside the old one before it takes its place."""
    kernels = made = 0
    for name, action in changes:
        kernels += action is Action.NEW and is_deb_image(name)
        if action is not Action.REMOVE and (is_deb_image(name) or name.startswith(_MADE_ANEW)):
            made = 1
    return (kernels or made) * KERNEL_KIB
