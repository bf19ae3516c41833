"""What the lab's packages install on a host: units, maintainer scripts, the web service."""

CONFFILE = "/etc/patchlab/patchlab.conf"

FAILING_POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    echo "patchlab-hook: cannot read its data" >&2
    exit 1
fi
"""

FAILING_PRE = """\
echo "patchlab-check: this system is not ready" >&2
exit 1
"""

# Writes the files that Debian's own packages write when they need a reboot
# (update-notifier-common, kernels).
REBOOT_POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    echo "*** System restart required ***" >/run/reboot-required
    grep -qsx patchlab-boot /run/reboot-required.pkgs ||
        echo patchlab-boot >>/run/reboot-required.pkgs
fi
"""

# A test writes the file to choose how long the middle of the transaction lasts.
SLOW_POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    seconds=15
    [ ! -r /etc/patchlab/slow ] || read -r seconds </etc/patchlab/slow
    sleep "$seconds"
fi
"""

_WEB_SOCKET = """\
[Unit]
Description=Web service of the lab

[Socket]
ListenStream=8080
Accept=yes

[Install]
WantedBy=sockets.target
"""

# systemd lists a failed instance for ever, and each probe would add one.
_WEB_SERVICE = """\
[Unit]
Description=Web service of the lab (one connection)
CollectMode=inactive-or-failed

[Service]
ExecStart=/usr/lib/patchlab/web
StandardInput=socket
StandardOutput=socket
StandardError=journal
User=nobody
"""

_WEB = """\
#!/bin/sh
# Answers one HTTP request on stdin.
version={version}
cr=$(printf '\\r')
read -r request || exit 0
while read -r line; do
    case $line in "" | "$cr") break ;; esac
done
{fault}body="patchlab-web $version"
printf 'HTTP/1.0 200 OK\\r\\nContent-Type: text/plain\\r\\n'
printf 'Content-Length: %d\\r\\nConnection: close\\r\\n\\r\\n%s\\n' $((${{#body}} + 1)) "$body"
"""

_UNIT = """\
[Unit]
Description={name} of the lab

[Service]
ExecStart={command}

[Install]
WantedBy=multi-user.target
"""

# https://uapi-group.org/specifications/specs/boot_loader_specification/
_ENTRY = """\
title Patchlab Linux ({name})
version {name}
linux /vmlinuz-{name}
initrd /initramfs-{name}.img
options root=/dev/null ro
"""

# No systemd runs while the image is made: `enable` works there, `start` does not.
_POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    systemctl enable --quiet {unit}
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        systemctl restart {unit}
    fi
fi
"""

_PRERM = """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --quiet --now {unit}
fi
"""


def web_files(version: str, *, bad: bool) -> list[tuple[str, str, int]]:
    """Return path, content and mode of the web service's files. `bad`: it closes connections
    without an answer.
    """
    fault = "exit 1\n" if bad else ""
    return [
        ("/usr/lib/systemd/system/patchlab-web.socket", _WEB_SOCKET, 0o644),
        ("/usr/lib/systemd/system/patchlab-web@.service", _WEB_SERVICE, 0o644),
        ("/usr/lib/patchlab/web", _WEB.format(version=version, fault=fault), 0o755),
    ]


def simple_unit(name: str, command: str) -> str:
    """Return a unit for a command that keeps running."""
    return _UNIT.format(name=name, command=command)


def unit_scripts(unit: str) -> dict[str, str]:
    """Return maintainer scripts that enable the unit and restart it at every update."""
    return {"postinst": _POSTINST.format(unit=unit), "prerm": _PRERM.format(unit=unit)}


def kernel_files(version: str, *, whole: bool) -> list[tuple[str, str]]:
    """Return path and content of the files of a kernel. `whole` False: its initramfs is missing."""
    name = f"{version}.patchlab"
    entry = _ENTRY.format(name=name)
    files = [
        (f"/boot/vmlinuz-{name}", f"kernel {name}\n"),
        (f"/boot/loader/entries/{name}.conf", entry),
        (f"/usr/lib/modules/{name}/modules.dep", ""),
    ]
    if whole:
        files.append((f"/boot/initramfs-{name}.img", f"initramfs {name}\n"))
    return files
