"""The rolling update of Ansible's own documentation, with web hosts behind a real HAProxy."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import copy_of
from managed import is_rpm, names, over

from patchctl.lab.handle import Lab

pytestmark = pytest.mark.lab

DOCS = Path(__file__).parents[2] / "docs/hooks.md"
WEB = ("staging-1", "staging-2")
GROUPS = f"""\
lbservers: {{hosts: {{@BALANCER@: {{}}}}}}
webservers: {{hosts: {{{WEB[0]}: {{}}, {WEB[1]}: {{}}}}}}
"""
SEES = "{file: hooks/%s.yml, sees: %s}"

# HAProxy is Debian's own. Its unit wants a mount namespace, which no container may make.
INSTALL = """\
set -eu
echo 'deb @MIRROR@ bookworm main' >/run/lb.list
mkdir -p /run/lb-lists/partial /etc/systemd/system/haproxy.service.d
set -- -q -o Dir::Etc::SourceList=/run/lb.list -o Dir::Etc::SourceParts=/nonexistent \\
  -o Dir::State::Lists=/run/lb-lists -o Acquire::Languages=none -o Acquire::Retries=5
apt-get "$@" update >&2
DEBIAN_FRONTEND=noninteractive apt-get "$@" -y --no-install-recommends install haproxy socat >&2
printf '[Service]\\nBindReadOnlyPaths=\\n' >/etc/systemd/system/haproxy.service.d/container.conf
cat >/etc/haproxy/haproxy.cfg <<'END'
global
    stats socket /run/haproxy/admin.sock mode 660 level admin
    log stdout format raw local0
    user haproxy
    group haproxy
defaults
    log global
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend site
    bind 127.0.0.1:80
    default_backend myapplb
backend myapplb
@SERVERS@
END
systemctl daemon-reload
systemctl reset-failed haproxy 2>/dev/null || true
systemctl restart haproxy
"""


def patchctl(workspace: Path, *arguments: str, code: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "patchctl", "-C", str(workspace), *arguments, "-o", "json"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=420,
        check=False,
    )
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def balancer(lab: Lab) -> str:
    """The first host after those that serve, if HAProxy can be installed there: on Debian."""
    return next(host for host in names(lab) if host not in WEB and not is_rpm(lab, host))


def examples() -> dict[str, str]:
    """Return the hooks of the documentation, by file."""
    blocks = re.findall(r"```yaml\n# (hooks/\w+\.yml)\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert [name for name, _ in blocks] == ["hooks/drain.yml", "hooks/undrain.yml"]
    return dict(blocks)


def plan(workspace: Path, limit: str) -> str:
    made = patchctl(workspace, "plan", "create", "--package", "patchlab-web", "--limit", limit)
    return str(made["path"])


def servers(lab: Lab) -> dict[str, str]:
    """Return HAProxy's state of its servers."""
    shown = lab.check(balancer(lab), "echo 'show stat' | socat stdio /run/haproxy/admin.sock")
    rows = [line.split(",") for line in shown.splitlines() if line.startswith("myapplb,")]
    return {row[1]: row[17] for row in rows if row[1] != "BACKEND"}


def wait_until_up(lab: Lab) -> None:
    deadline = time.monotonic() + 60
    while (states := servers(lab)) != dict.fromkeys(WEB, "UP"):
        assert time.monotonic() < deadline, states
        time.sleep(0.5)


def logged(lab: Lab, host: str) -> list[tuple[float, str]]:
    """Return (time, maintenance or ready) of one server, from HAProxy's log."""
    log = lab.check(balancer(lab), "journalctl -u haproxy -o short-unix --no-pager")
    lines = re.findall(
        rf"^([0-9.]+) \S+ haproxy\[\d+\]: Server myapplb/{host} is "
        r"(going DOWN for maintenance|UP/READY)",
        log, re.MULTILINE,
    )  # fmt: skip
    return [(float(at), "ready" if "READY" in what else "maintenance") for at, what in lines]


def replaced(lab: Lab, host: str) -> list[float]:
    """Return when the package was replaced on a host, epoch seconds."""
    if is_rpm(lab, host):
        log = lab.check(host, "cat /var/log/dnf.rpm.log 2>/dev/null || true")
        times = re.findall(r"^(\S+) SUBDEBUG Upgrade: patchlab-web-", log, re.MULTILINE)
        return [float(lab.check(host, f"date -d '{at}' +%s")) for at in times]
    log = lab.check(host, "TZ=UTC cat /var/log/dpkg.log 2>/dev/null || true")
    times = re.findall(r"^(\S+ \S+) upgrade patchlab-web:", log, re.MULTILINE)
    return [float(lab.check(host, f"date -d '{at}' +%s")) for at in times]


def site(lab: Lab, root: Path, drain: str, undrain: str) -> Path:
    """A workspace with the documentation's hooks, as its settings name them."""
    workspace = copy_of(lab, root / "workspace")
    (workspace / "hooks").mkdir(mode=0o755)
    for name, text in examples().items():
        (workspace / name).write_text(text)
    (workspace / "inventory/balancers.yml").write_text(GROUPS.replace("@BALANCER@", balancer(lab)))
    settings = workspace / "patchctl.yml"
    hooks = f"hooks: {{drain: {drain}, undrain: {undrain}}}"
    settings.write_text(f"{settings.read_text()}\n{hooks}\n")
    return workspace


@pytest.fixture
def balanced(fresh_lab: Lab) -> Lab:
    """The lab, with HAProxy on a host of its own and two hosts behind it."""
    lines = [
        f"    server {host} {fresh_lab.check(host, 'hostname -I').split()[0]}:8080 check"
        for host in WEB
    ]
    script = INSTALL.replace("@MIRROR@", fresh_lab.engine.origins.main)
    script = script.replace("@SERVERS@", "\n".join(lines))
    fresh_lab.check(balancer(fresh_lab), "sh -s", stdin=script.encode(), timeout_s=300)
    wait_until_up(fresh_lab)
    return fresh_lab


@over("debian", further=("mixed",))
def test_web_hosts_leave_the_load_balancer_while_they_are_patched(
    balanced: Lab, tmp_path: Path
) -> None:
    sees = (SEES % ("drain", "[lbservers]"), SEES % ("undrain", "all"))
    workspace = site(balanced, tmp_path, *sees)
    done = patchctl(workspace, "rollout", plan(workspace, "webservers"), "--yes")
    assert {host["name"]: host["state"] for host in done["hosts"]} == dict.fromkeys(
        WEB, "succeeded"
    )
    for name in WEB:
        # HAProxy's own account: out of service, then the new package, then in service again.
        (down, first), (up, second) = logged(balanced, name)
        assert (first, second) == ("maintenance", "ready")
        (changed,) = replaced(balanced, name)
        assert int(down) <= changed <= up + 1
    wait_until_up(balanced)


def test_a_hook_that_may_not_see_the_load_balancer_ends_at_once_and_says_the_setting(
    fresh_lab: Lab, tmp_path: Path
) -> None:
    """Not as a host that cannot be reached, which is asked again for five minutes."""
    workspace = site(fresh_lab, tmp_path, "hooks/drain.yml", "hooks/undrain.yml")
    # Nothing was taken out, so nothing has to be put back.
    (workspace / "hooks/undrain.yml").write_text("[]\n")
    fresh_lab.container(WEB[0])
    status = patchctl(workspace, "rollout", plan(workspace, WEB[0]), "--yes", code=3)
    (host,) = (host for host in status["hosts"] if host["name"] == WEB[0])
    assert (host["state"], host["stage"]) == ("rolled_back", "drain")
    assert host["reason"] == (
        "the drain hook does not see canary-1: add to hooks.drain.sees in patchctl.yml one of its"
        " groups: canary, lbservers, web; then make a new plan"
    )
    assert replaced(fresh_lab, WEB[0]) == []
