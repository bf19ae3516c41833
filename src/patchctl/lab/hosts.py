"""Start and list single hosts of a lab, and wait until they can be reached."""

import time
from collections.abc import Sequence
from typing import Any

from ..models.lab import LabHost
from .engine import LABEL, Engine, EngineError
from .model import PORT, HostSlot
from .services import CONFFILE

_BOOT_S = 90
# Waits for the end of the boot. The host's private key never leaves it. The public key comes back
# through the engine, so nobody has to trust a key at the first connection.
_READY = """\
until [ -S /run/systemd/private ]; do sleep 0.2; done
systemctl is-system-running --wait >/dev/null 2>&1
systemctl is-active --quiet ssh.service || systemctl is-active --quiet sshd.service || exit 3
cat /etc/ssh/ssh_host_ed25519_key.pub
"""


def container_name(lab: str, host: str) -> str:
    """Return the name of a host's container."""
    return f"patchctl-{lab}-{host}"


def start(
    engine: Engine,
    lab: str,
    slot: HostSlot,
    image: str,
    workspace: str,
    further: Sequence[str] = (),
) -> str:
    """Start a new host and wait for it. Returns its public key as `TYPE KEY`. `further` are more
    options of the engine.
    """
    labels = {
        LABEL: lab,
        f"{LABEL}.host": slot.name,
        f"{LABEL}.ring": slot.ring,
        f"{LABEL}.address": slot.address,
        f"{LABEL}.image": slot.image,
        f"{LABEL}.reference": image,
        f"{LABEL}.groups": ",".join(slot.groups),
        f"{LABEL}.changed": "yes" if slot.changed else "no",
        f"{LABEL}.workspace": workspace,
    }
    options = [
        f"--name={container_name(lab, slot.name)}",
        f"--hostname={slot.name}",
        f"--network={network_name(lab)}",
        f"--publish={slot.address}:{PORT}:22",
        f"--volume={volume_name(lab)}:/srv/patchlab:ro",
        # podman restarts the container after `systemctl reboot` inside it.
        "--restart=always",
        *engine.host_options(),
        *[f"--label={name}={value}" for name, value in labels.items()],
    ]
    engine.start(image, [*options, *further], ["/sbin/init"])
    container = container_name(lab, slot.name)
    key = wait_ready(engine, container)
    if slot.changed:
        engine.exec(container, f"echo '# tuned by hand' >>{CONFFILE}")
    return key


def wait_ready(engine: Engine, container: str) -> str:
    """Wait for the end of the boot. Returns the host's public key as `TYPE KEY`."""
    deadline = time.monotonic() + _BOOT_S
    answer = ""
    while time.monotonic() < deadline:
        result = engine.exec(container, _READY, timeout_s=_BOOT_S)
        fields = result.out.split()
        if result.rc == 0 and len(fields) >= 2:
            return " ".join(fields[:2])
        answer = result.err.strip() or f"exit code {result.rc}"
        time.sleep(0.3)
    raise EngineError(
        f"{container}: its sshd did not start within {_BOOT_S} s ({answer.splitlines()[-1]})",
        hint=f"look: {engine.program} exec {container} systemctl --failed",
    )


def network_name(lab: str) -> str:
    """Return the name of a lab's network."""
    return f"patchctl-{lab}"


def volume_name(lab: str) -> str:
    """Return the name of the volume that holds a lab's repository."""
    return f"patchctl-{lab}-repository"


def listed(engine: Engine, lab: str = "") -> tuple[LabHost, ...]:
    """Return the hosts of a lab, or of all labs, in the order of their addresses."""
    label = f"{LABEL}={lab}" if lab else LABEL
    ids = engine.listed("container", label)
    lab_hosts = [_host(item) for item in engine.inspect("container", ids)]
    return tuple(sorted(lab_hosts, key=lambda host: (host.lab, _order(host.address))))


def _host(described: dict[str, Any]) -> LabHost:
    labels = described.get("Config", {}).get("Labels") or {}
    state = described.get("State", {}).get("Status", "unknown")
    return LabHost(
        name=labels.get(f"{LABEL}.host", ""),
        address=labels.get(f"{LABEL}.address", ""),
        port=PORT,
        image=labels.get(f"{LABEL}.image", ""),
        state=state,
        ring=labels.get(f"{LABEL}.ring", ""),
        lab=labels.get(LABEL, ""),
        container=str(described.get("Name", "")).lstrip("/"),
        workspace=labels.get(f"{LABEL}.workspace", ""),
    )


def _order(address: str) -> tuple[int, ...]:
    return tuple(int(part) for part in address.split(".") if part.isdigit())
