"""The lab's hosts of the dnf family: real dnf and rpm, advisories, a signed repository."""

import re

import pytest

from patchctl.lab.handle import Lab

pytestmark = pytest.mark.lab

HOST = "staging-1"


def web(lab: Lab) -> str:
    """Return the body of the host's web service, or ""."""
    return lab.exec(
        HOST,
        'python3 -c "import urllib.request as u; '
        "print(u.urlopen('http://127.0.0.1:8080/', timeout=5).read().decode())\"",
    ).out.strip()


def test_it_is_a_dnf_host_without_a_trace_of_apt(rpm_lab: Lab) -> None:
    assert rpm_lab.exec(HOST, "command -v apt-get dpkg").out == ""
    assert rpm_lab.check(HOST, "rpm -q --qf '%{VERSION}-%{RELEASE}' patchlab-web") == "1.0-1"
    assert rpm_lab.check(HOST, "systemctl is-system-running") == "running\n"


def test_security_advisories_are_told_from_bug_fixes(rpm_lab: Lab) -> None:
    security = rpm_lab.check(HOST, "dnf -q updateinfo list --security --with-cve")
    assert security.split() == ["CVE-2099-10001", "Important/Sec.", "patchlab-web-1.0-2.noarch"]
    assert "bugfix" in rpm_lab.check(HOST, "dnf -q updateinfo list")


def test_the_bad_update_stops_the_service_and_can_be_undone(rpm_lab: Lab) -> None:
    rpm_lab.publish("bad-web")
    assert web(rpm_lab) == "patchlab-web 1.0-1"
    rpm_lab.check(HOST, "dnf -q -y --refresh upgrade --security")
    assert web(rpm_lab) == ""
    rpm_lab.check(HOST, "dnf -q -y history undo last")
    assert web(rpm_lab) == "patchlab-web 1.0-1"


def test_an_unsigned_package_is_refused(rpm_lab: Lab) -> None:
    script = (
        "rm -rf /tmp/r && cp -r /srv/patchlab/rpm /tmp/r && "
        "rpm --delsign /tmp/r/packages/patchlab-docs-1.0-2.noarch.rpm && "
        "dnf -q -y install /tmp/r/packages/patchlab-docs-1.0-2.noarch.rpm"
    )
    rpm_lab.exec(HOST, "echo localpkg_gpgcheck=1 >>/etc/dnf/dnf.conf")
    result = rpm_lab.exec(HOST, script)
    assert result.rc != 0
    assert "is not signed" in result.err + result.out


def test_signatures_are_right_missing_foreign_or_broken(rpm_lab: Lab) -> None:
    rpm_lab.publish("unsigned", "unknown-key", "tampered")
    check = "rpmkeys --define '_pkgverify_level all' --checksig"
    for number, right in (("1", True), ("2", False), ("3", False), ("4", False)):
        path = f"/srv/patchlab/rpm/packages/patchlab-sign-1.0-{number}.noarch.rpm"
        assert (rpm_lab.exec(HOST, f"{check} {path}").rc == 0) is right, number


def test_what_only_dnf_knows(rpm_lab: Lab) -> None:
    rpm_lab.reset_repository()
    rpm_lab.publish("kernel", "module", "other-stream", "obsoletes", "conflicts", "shared-dep")
    table = rpm_lab.exec(HOST, "LC_ALL=C dnf --refresh --assumeno upgrade").out
    installing = table.partition("Installing:")[2].partition("Upgrading:")[0]
    # A kernel comes beside the old one, a new name in place of the old one.
    assert re.search(r"patchlab-kernel +noarch +1.0-2", installing)
    assert re.search(r"patchlab-writer .*\n +replacing +patchlab-editor.noarch 1.0-1", installing)
    assert re.search(r"patchlab-codec2 .*\n +replacing +patchlab-codec.noarch 1.0-1", table)
    assert re.search(r"Skipping packages with conflicts:\n.*\n patchlab-strict ", table)
    # The stream that is not enabled has a newer version.
    assert re.search(r"patchlab-mod +noarch +1.0-2", table)


def test_whether_a_reboot_is_needed_can_be_asked(rpm_lab: Lab) -> None:
    assert "Reboot should not be necessary" in rpm_lab.exec(HOST, "dnf needs-restarting -r").out
    rpm_lab.publish("reboot-wanted")
    rpm_lab.check(HOST, "dnf -q -y --refresh upgrade patchlab-boot")
    wanted = rpm_lab.exec(HOST, "dnf needs-restarting -r")
    assert wanted.rc == 1 and "* patchlab-boot" in wanted.out
