"""Each parser: what it accepts, and what it gives to `unparsed` instead of guessing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchctl.discovery.parsers import (
    apt,
    containers,
    dpkg,
    rpm,
    sockets,
    stale,
    system,
    systemd,
    updaters,
)
from patchctl.models import host_rules
from patchctl.models.facts import HiddenUpdate, Package, PackageManager, PendingUpdate
from patchctl.protocol.sections import UNPARSED_MAX, Unparsed, split


@pytest.fixture
def unparsed() -> Unparsed:
    return Unparsed()


class TestSections:
    def test_lines_belong_to_the_heading_above(self, unparsed: Unparsed) -> None:
        sections = split("[a]\n one\n two\n=0\n[b]\n=7\n", unparsed)
        assert sections["a"].lines == ["one", "two"]
        assert (sections["a"].code, sections["b"].code) == (0, 7)
        assert unparsed.all() == ()

    def test_a_line_of_the_host_is_never_a_heading(self, unparsed: Unparsed) -> None:
        sections = split("[a]\n [packages]\n =0\n=0\n", unparsed)
        assert sections["a"].lines == ["[packages]", "=0"]
        assert list(sections) == ["a"]

    def test_a_second_section_of_one_name_is_unparsed(self, unparsed: Unparsed) -> None:
        sections = split("[a]\n x\n=0\n[a]\n y\n=0\n", unparsed)
        assert sections["a"].lines == ["x"]
        assert [row.line for row in unparsed.all()] == ["[a]", " y", "=0"]

    def test_a_section_that_was_cut_has_no_code(self, unparsed: Unparsed) -> None:
        assert split("[a]\n x", unparsed)["a"].code is None

    def test_what_is_kept_of_unparsed_lines_is_bounded(self, unparsed: Unparsed) -> None:
        for number in range(1000):
            unparsed.add("a", f"{number} " + "x" * 1000)
        kept = unparsed.all()
        assert len(kept) == UNPARSED_MAX + 1
        assert kept[-1].line == "and 800 lines more"
        assert max(len(row.line) for row in kept) == 300


class TestDpkg:
    def parse(self, line: str, unparsed: Unparsed, *automatic: str) -> tuple[Package, ...]:
        return dpkg.packages([line.replace("|", "\t")], automatic, "amd64", unparsed)

    def test_a_package_has_its_source(self, unparsed: Unparsed) -> None:
        (package,) = self.parse("ii |libssl3|3.0.15-1|amd64|openssl|3.0.15-1", unparsed)
        assert package == Package(
            name="libssl3",
            version="3.0.15-1",
            arch="amd64",
            source="openssl",
            source_version="3.0.15-1",
        )

    def test_a_held_package_is_not_a_broken_one(self, unparsed: Unparsed) -> None:
        (package,) = self.parse("hi |bash|1:5.2-1|amd64|bash|1:5.2-1", unparsed)
        assert (package.held, package.status) == (True, "")

    @pytest.mark.parametrize("status", ["iF", "iU", "iHR"])
    def test_a_half_installed_package_keeps_its_status(
        self, unparsed: Unparsed, status: str
    ) -> None:
        (package,) = self.parse(f"{status}|bash|5.2-1|amd64|bash|5.2-1", unparsed)
        assert package.status == status

    @pytest.mark.parametrize("status", ["rc ", "un ", "pn "])
    def test_a_removed_package_is_none_and_needs_no_remark(
        self, unparsed: Unparsed, status: str
    ) -> None:
        assert self.parse(f"{status}|bash|5.2-1|amd64|bash|5.2-1", unparsed) == ()
        assert unparsed.all() == ()

    def test_marks_of_packages_for_all_architectures_are_found(self, unparsed: Unparsed) -> None:
        marks = ["Package: tzdata", "Architecture: amd64", "Auto-Installed: 1"]
        (package,) = self.parse("ii |tzdata|2024a|all|tzdata|2024a", unparsed, *marks)
        assert package.auto

    def test_a_manual_mark_is_none(self, unparsed: Unparsed) -> None:
        marks = ["Package: bash", "Architecture: amd64", "Auto-Installed: 0"]
        (package,) = self.parse("ii |bash|5.2-1|amd64|bash|5.2-1", unparsed, *marks)
        assert not package.auto

    @pytest.mark.parametrize(
        "line",
        [
            "ii |$(id)|1|amd64|x|1",
            "ii |{{ x }}|1|amd64|x|1",
            "ii |bash|1;id|amd64|bash|1",
            "ii |bash|1 2|amd64|bash|1",
            "ii |bash|-o=x|amd64|bash|1",
            "ii |-o|1|amd64|bash|1",
            "ii |bash||amd64|bash|1",
            "ii |bash|1|../x|bash|1",
            "ii |bash|1|amd64|bash|{{ x }}",
            "ii |bash\x1b[2J|1|amd64|bash|1",
            "ii |bash|1|amd64|bash",
            "bash",
        ],
    )
    def test_what_dpkg_could_not_have_installed_is_unparsed(
        self, unparsed: Unparsed, line: str
    ) -> None:
        assert self.parse(line, unparsed) == ()
        assert len(unparsed.all()) == 1


INDEX = (
    "http://deb.example/debian-security|bookworm-security|main|http://deb.example/debian-security/"
    "|Debian|Debian-Security|bookworm-security|oldstable-security|yes"
    "|/var/lib/apt/lists/deb.example_security_dists_bookworm-security_main_Packages"
)


def sources(unparsed: Unparsed, *lines: str) -> tuple[apt.Source, ...]:
    return apt.sources([line.replace("|", "\t") for line in lines], [], unparsed)


class TestApt:
    policy = """\
libssl3:
  Installed: 3.0.15-1
  Candidate: 3.0.17-1
  Version table:
     3.0.17-1 500
        500 http://deb.example/debian-security bookworm-security/main amd64 Packages
 *** 3.0.15-1 500
        500 http://deb.example/debian bookworm/main amd64 Packages
        100 /var/lib/dpkg/status
"""

    def pending(self, text: str, unparsed: Unparsed, arch: str = "amd64") -> list[PendingUpdate]:
        packages = [Package(name="libssl3", version="3.0.15-1", arch=arch)]
        known = sources(unparsed, INDEX)
        return list(apt.pending(text.splitlines(), packages, known, "amd64", unparsed))

    def test_an_update_carries_where_it_comes_from(self, unparsed: Unparsed) -> None:
        (update,) = self.pending(self.policy, unparsed)
        assert (update.installed, update.candidate) == ("3.0.15-1", "3.0.17-1")
        assert (update.origin, update.label, update.codename) == (
            "Debian", "Debian-Security", "bookworm-security",
        )  # fmt: skip
        assert update.security

    def test_a_downgrade_by_pin_is_no_update(self, unparsed: Unparsed) -> None:
        text = self.policy.replace("Candidate: 3.0.17-1", "Candidate: 3.0.14-1") + (
            "     3.0.14-1 1001\n"
            "       1001 http://deb.example/debian bookworm/main amd64 Packages\n"
        )
        assert self.pending(text, unparsed) == []
        assert unparsed.all() == ()

    def test_a_flat_repository_keeps_its_label(self, unparsed: Unparsed) -> None:
        flat = (
            "file:/srv/site|./|$(COMPONENT)|file:/srv/site/|Site|Site [x]|site|$(SUITE)|yes"
            "|/var/lib/apt/lists/_srv_site_._Packages"
        )
        (known,) = sources(unparsed, flat)
        assert (known.repository.component, known.repository.label) == ("", "Site [x]")
        text = self.policy.replace(
            "http://deb.example/debian-security bookworm-security/main amd64", "file:/srv/site ./"
        )
        packages = [Package(name="libssl3", version="3.0.15-1", arch="amd64")]
        (update,) = apt.pending(text.splitlines(), packages, [known], "amd64", unparsed)
        assert (update.label, update.codename) == ("Site [x]", "site")

    # As with `APT::Default-Release "bookworm"`.
    preferred = policy.replace("Candidate: 3.0.17-1", "Candidate: 3.0.15-1")

    def hidden(self, text: str, unparsed: Unparsed, release: str = "") -> tuple[HiddenUpdate, ...]:
        packages = [Package(name="libssl3", version="3.0.15-1", arch="amd64")]
        known = sources(unparsed, INDEX)
        return apt.hidden(text.splitlines(), packages, known, "amd64", release)

    def test_a_security_update_that_the_host_does_not_prefer_is_hidden(
        self, unparsed: Unparsed
    ) -> None:
        assert self.pending(self.preferred, unparsed) == []
        assert unparsed.all() == ()
        assert self.hidden(self.preferred, unparsed, "bookworm") == (
            HiddenUpdate(
                name="libssl3",
                arch="amd64",
                installed="3.0.15-1",
                version="3.0.17-1",
                label="Debian-Security",
                codename="bookworm-security",
                by="APT::Default-Release is bookworm",
            ),
        )
        assert self.hidden(self.preferred, unparsed)[0].by == "a pin of the host"

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("Candidate: 3.0.15-1", "Candidate: 3.0.17-1"),  # it is pending
            ("debian-security ", "other "),  # no security archive: backports are no loss
            ("libssl3:\n", "not-installed:\n"),
            ("     3.0.17-1 500", "     $(id) 500"),
        ],
    )
    def test_anything_else_is_not_hidden(self, unparsed: Unparsed, old: str, new: str) -> None:
        assert self.hidden(self.preferred.replace(old, new), unparsed) == ()

    def test_what_is_hidden_where_the_host_has_no_candidate(self, unparsed: Unparsed) -> None:
        text = self.policy.replace("Candidate: 3.0.17-1", "Candidate: (none)")
        assert self.pending(text, unparsed) == []
        assert [update.version for update in self.hidden(text, unparsed)] == ["3.0.17-1"]

    phased = policy.replace("3.0.17-1 500\n", "3.0.17-1 500 (phased 40%)\n")
    # apt 2.7 and later do not even prefer what their machine is to get later.
    late = phased.replace("Candidate: 3.0.17-1", "Candidate: 3.0.15-1").replace(" 500 (", " 1 (")

    @pytest.mark.parametrize(
        ("text", "deferred", "expected"),
        [
            (phased, {("libssl3", "3.0.17-1")}, [(40, True)]),
            (phased, {("libssl3:i386", "3.0.17-1")}, [(40, False)]),
            (phased, set(), [(40, False)]),  # this machine is among them
            (phased, None, [(40, True)]),  # apt did not tell
            (policy, {("libssl3", "3.0.17-1")}, [(100, True)]),  # it needs something phased
            (policy, None, [(100, False)]),
            (late, {("libssl3", "3.0.17-1")}, [(40, True)]),
            (late, set(), []),
        ],
    )
    def test_a_phased_update_is_deferred_as_apt_defers_it(
        self,
        unparsed: Unparsed,
        text: str,
        deferred: set[tuple[str, str]] | None,
        expected: list[tuple[int, bool]],
    ) -> None:
        packages = [Package(name="libssl3", version="3.0.15-1", arch="amd64")]
        known = sources(unparsed, INDEX)
        updates = apt.pending(text.splitlines(), packages, known, "amd64", unparsed, deferred)
        assert [(update.phased, update.deferred) for update in updates] == expected
        assert unparsed.all() == ()

    def test_a_foreign_architecture_stands_in_the_heading(self, unparsed: Unparsed) -> None:
        text = self.policy.replace("libssl3:\n", "libssl3:i386:\n")
        (update,) = self.pending(text, unparsed, arch="i386")
        assert update.arch == "i386"

    def test_an_update_of_an_unknown_repository_is_one_without_security(
        self, unparsed: Unparsed
    ) -> None:
        (update,) = self.pending(self.policy.replace("debian-security ", "other "), unparsed)
        assert (update.origin, update.security) == ("", False)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("Candidate: 3.0.17-1", "Candidate: $(id)"),
            ("Candidate: 3.0.17-1", "Candidate: 9"),
            ("libssl3:\n", "not-installed:\n"),
            (" *** 3.0.15-1 500\n", ""),
        ],
    )
    def test_what_does_not_fit_together_is_unparsed(
        self, unparsed: Unparsed, old: str, new: str
    ) -> None:
        assert self.pending(self.policy.replace(old, new), unparsed) == []
        assert unparsed.all()

    @pytest.mark.parametrize(
        ("origin", "label", "suite", "security"),
        [
            ("Debian", "Debian-Security", "oldstable-security", True),
            ("Debian", "Debian", "oldstable", False),
            ("Debian", "Debian", "stable-updates", False),
            ("Ubuntu", "Ubuntu", "jammy-security", True),
            ("Ubuntu", "Ubuntu", "jammy-updates", False),
            ("UbuntuESM", "UbuntuESM", "jammy-infra-security", True),
            ("Docker", "Docker CE", "bookworm", False),
        ],
    )
    def test_security_is_decided_by_the_release_file(
        self, unparsed: Unparsed, origin: str, label: str, suite: str, security: bool
    ) -> None:
        line = f"http://x|r|main|http://x/|{origin}|{label}|r|{suite}|yes|/x"
        (source,) = sources(unparsed, line)
        assert source.security is security

    def test_the_date_of_a_repository_is_that_of_its_release_file(self, unparsed: Unparsed) -> None:
        dates = [
            "/var/lib/apt/lists/deb.example_security_dists_bookworm-security_InRelease:"
            "Date: Thu, 01 Jan 1970 00:01:40 UTC",
            "/var/lib/apt/lists/deb.example_InRelease:Date: Thu, 01 Jan 1970 00:00:07 UTC",
        ]
        (source,) = apt.sources([INDEX.replace("|", "\t")], dates, unparsed)
        assert source.repository.dated == 100


class TestRpm:
    row = "openssl|1|3.0.7|27.el9_4|x86_64|openssl-3.0.7-27.el9_4.src.rpm|1715000000|(none)"

    def parse(self, *lines: str, **more: Any) -> rpm.Installed:
        self.unparsed = Unparsed()
        rows = [line.replace("|", "\t") for line in lines]
        return rpm.packages(
            rows, more.get("chosen", ()), more.get("holds", ()), self.unparsed
        )  # fmt: skip

    def test_the_version_has_the_epoch_only_where_there_is_one(self) -> None:
        assert self.parse(self.row).packages[0].version == "1:3.0.7-27.el9_4"
        assert self.parse(self.row.replace("|1|", "|(none)|")).packages[0].version == (
            "3.0.7-27.el9_4"
        )
        assert self.parse(self.row.replace("|1|", "|0|")).packages[0].version == "3.0.7-27.el9_4"

    def test_the_source_comes_from_the_source_package(self) -> None:
        (package,) = self.parse(self.row).packages
        assert (package.source, package.source_version) == ("openssl", "3.0.7-27.el9_4")

    def test_a_module_is_kept(self) -> None:
        (package,) = self.parse(self.row.replace("(none)", "nodejs:18:9030:rhel9")).packages
        assert package.module == "nodejs:18:9030:rhel9"

    def test_keys_are_no_packages(self) -> None:
        keys = "gpg-pubkey|(none)|350d275d|6279464b|(none)|(none)|1|(none)"
        assert self.parse(keys).packages == ()
        assert self.unparsed.all() == ()

    def test_what_nobody_chose_was_installed_automatically(self) -> None:
        assert not self.parse(self.row, chosen=["openssl.x86_64"]).packages[0].auto
        assert self.parse(self.row, chosen=["bash.x86_64"]).packages[0].auto
        assert not self.parse(self.row, chosen=[]).packages[0].auto

    @pytest.mark.parametrize(
        ("lock", "held"),
        [("openssl-1:3.0.7-27.el9_4.*", True), ("openssl", True), ("openssl-libs-1:3.*", False)],
    )
    def test_locks(self, lock: str, held: bool) -> None:
        assert self.parse(self.row, holds=[lock]).packages[0].held is held

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("openssl|", "$(id)|"),
            ("3.0.7|", "3 0|"),
            ("27.el9_4|x", "{{ x }}|x"),
            ("27.el9_4|x", "1-2|x"),
            ("x86_64", "x/y"),
            ("|1|", "|x|"),
            ("openssl-3.0.7-27.el9_4.src.rpm", "$(id)-1-2.src.rpm"),
        ],
    )
    def test_what_rpm_could_not_have_installed_is_unparsed(self, old: str, new: str) -> None:
        assert self.parse(self.row.replace(old, new)).packages == ()
        assert len(self.unparsed.all()) == 1

    def test_a_reboot_is_wanted_for_what_came_after_the_boot(self) -> None:
        times = {"glibc": 200, "kernel-core": 50, "bash": 300}
        assert rpm.wants_reboot(times, 100, managed=True) == ["glibc"]
        assert rpm.wants_reboot(times, 0, managed=True) == []

    def test_no_kernel_wants_a_reboot_of_a_container(self) -> None:
        times = {"kernel-core": 200, "systemd": 200}
        assert rpm.wants_reboot(times, 100, managed=True) == ["kernel-core", "systemd"]
        assert rpm.wants_reboot(times, 100, managed=False) == ["systemd"]


class TestDnf:
    have = (Package(name="openssl", version="1:3.0.7-24.el9", arch="x86_64"),)

    def test_an_advisory_of_an_earlier_version_counts_too(self, unparsed: Unparsed) -> None:
        advised = rpm.advisories(
            ["RHSA-2024:1 Important/Sec. openssl-1:3.0.7-25.el9.x86_64"], unparsed
        )
        (update,) = rpm.pending(
            ["openssl.x86_64  1:3.0.7-27.el9_4  baseos"], self.have, advised, (), unparsed
        )
        assert update.security
        assert update.advisories == ("RHSA-2024:1",)
        assert update.installed == "1:3.0.7-24.el9"

    def test_advisories_of_dnf_5(self, unparsed: Unparsed) -> None:
        lines = [
            "Name Type Severity Package Issued",
            "FEDORA-2024-1 security Important openssl-1:3.0.7-27.fc40.x86_64 2024-03-01 00:00:00",
            "FEDORA-2024-2 bugfix None bash-5.2-1.fc40.x86_64 2024-03-01 00:00:00",
        ]
        assert rpm.advisories(lines, unparsed) == {("openssl", "x86_64"): ("FEDORA-2024-1",)}
        assert unparsed.all() == ()

    def test_rows_that_yum_broke_are_joined(self, unparsed: Unparsed) -> None:
        lines = ["openssl.x86_64", "                 1:3.0.7-27.el9_4   baseos"]
        assert len(rpm.pending(lines, self.have, {}, (), unparsed)) == 1

    @pytest.mark.parametrize("old", ["openssl.x86_64 1:3-1 @System", "gone.x86_64 1-1 @System"])
    def test_a_new_version_that_obsoletes_is_among_the_updates_already(
        self, old: str, unparsed: Unparsed
    ) -> None:
        lines = ["Obsoleting Packages", "openssl.x86_64 1:4-1 baseos", f"    {old}"]
        assert rpm.pending(lines, self.have, {}, (), unparsed) == ()

    def test_what_takes_the_place_of_a_package_under_a_new_name_is_pending(
        self, unparsed: Unparsed
    ) -> None:
        lines = [
            "Obsoleting Packages",
            "tls.x86_64 0:4-1 baseos",
            "    openssl.x86_64 1:3.0.7-24.el9 @System",
            "    openssl-libs.x86_64 1:3.0.7-24.el9 @System",
            "other.x86_64 4-1 baseos",
            "    not-here.x86_64 1-1 @System",
        ]
        (update,) = rpm.pending(lines, self.have, {}, (), unparsed)
        assert (update.name, update.installed, update.candidate) == ("tls", "", "4-1")
        assert (update.replaces, update.origin) == ("openssl", "baseos")

    def test_strange_rows_are_unparsed(self, unparsed: Unparsed) -> None:
        lines = ["openssl.x86_64 $(id) baseos", "no-such.x86_64 1-1 baseos", "three {{ x }} y"]
        assert rpm.pending(lines, self.have, {}, (), unparsed) == ()
        assert len(unparsed.all()) == 3

    def test_a_repository_is_trusted_where_signatures_are_checked(self, unparsed: Unparsed) -> None:
        lines = ["Repo-id : a", "Repo-name : A", "Repo-id : b/9/x86_64", "Repo-id : c"]
        settings = ["[main]", "gpgcheck=1", "[b]", "gpgcheck = 0"]
        repositories = rpm.repositories(lines, settings, unparsed)
        assert [(repository.origin, repository.trusted) for repository in repositories] == [
            ("a", True), ("b", False), ("c", True),
        ]  # fmt: skip


LINES = st.lists(
    st.one_of(
        st.text(),
        st.text(alphabet="\t |=:.-[]{}()/%@*\"'\\0123456789abcXYZ", max_size=80),
        st.sampled_from(
            [
                "libssl3:", "  Installed: 1", "  Candidate: 2", "     2 500", " *** 1 500",
                "        500 http://x y/z amd64 Packages", "Repo-id : x", "a.noarch 1-1 x",
                "Filesystem 1024-blocks", "/dev/x 1 2 3 4% /", "Id=x", "tcp LISTEN 0 0 a:1 b:*",
            ]
        ),
    ),
    max_size=12,
)  # fmt: skip


@given(LINES, LINES)
def test_no_parser_raises_on_any_lines(lines: list[str], others: list[str]) -> None:
    unparsed = Unparsed()
    package = Package(name="libssl3", version="1", arch="amd64")
    dpkg.packages(lines, others, "amd64", unparsed)
    known = apt.sources(lines, others, unparsed)
    apt.pending(lines, [package], known, "amd64", unparsed)
    rpm.packages(lines, others, lines, unparsed)
    repositories = rpm.repositories(lines, others, unparsed)
    rpm.pending(lines, [package], rpm.advisories(others, unparsed), repositories, unparsed)
    states = systemd.states(lines, unparsed)
    systemd.failed(lines, unparsed)
    for name in ("unattended-upgrades", "dnf-automatic", "packagekit"):
        updaters.competing(
            lines, [Package(name=name, version="1", arch="all")], states, unparsed
        )  # fmt: skip
    sockets.from_ss(lines, unparsed)
    sockets.from_proc(lines, unparsed)
    system.os_release(lines, unparsed)
    system.file_systems(lines, others, unparsed)
    for manager in PackageManager:
        stale.stale(lines, others, others, others, manager, unparsed)
    system.identity(lines, "x", unparsed)
    host_rules.newest_kernel(lines)
    containers.containers("podman", lines, unparsed)
    containers.images("podman", lines, unparsed)
    containers.cri_containers(lines, unparsed)
    containers.cri_images(lines, unparsed)
