"""Security updates that a dnf host does not get because of its excludes."""

from patchctl.discovery.parsers import dnf_hidden
from patchctl.models.facts import Package, PendingUpdate


class TestExcludes:
    INSTALLED = tuple(
        Package(name=name, version="1-1", arch="noarch") for name in ("web", "lib", "doc")
    )
    LINES = {
        "unhidden": ["web.noarch 2-1 r", "lib.noarch 2-1 r", "doc.noarch 2-1 r"],
        "unhidden_advisories": [
            "SA-1 Important/Sec. web-2-1.noarch",
            "SA-2 Low/Sec. lib-2-1.noarch",
            "BA-3 bugfix doc-2-1.noarch",
        ],
        "excludes": [
            "/etc/yum.repos.d/q.repo:exclude=kernel*, w?b",
            "/etc/yum.repos.d/r.repo:exclude=x",
        ],
    }

    def test_a_security_update_is_named_with_the_setting_that_hides_it(self) -> None:
        pending = PendingUpdate(name="lib", arch="noarch", installed="1-1", candidate="2-1")
        (update,) = dnf_hidden.hidden(self.LINES, self.INSTALLED, [pending], ())
        assert (update.name, update.installed, update.version) == ("web", "1-1", "2-1")
        assert update.by == "exclude=kernel*, w?b in /etc/yum.repos.d/q.repo"

    def test_by_whatever_it_is_hidden(self) -> None:
        updates = dnf_hidden.hidden({**self.LINES, "excludes": []}, self.INSTALLED, (), ())
        assert [(update.name, update.by) for update in updates] == [
            ("lib", "an exclude of dnf there"),
            ("web", "an exclude of dnf there"),
        ]

    def test_what_is_not_included_is_excluded(self) -> None:
        told = {**self.LINES, "excludes": ["/etc/dnf/dnf.conf:includepkgs=lib*"]}
        updates = dnf_hidden.hidden(told, self.INSTALLED, (), ())
        assert [(update.name, update.by) for update in updates] == [
            ("lib", "an exclude of dnf there"),
            ("web", "includepkgs=lib* in /etc/dnf/dnf.conf"),
        ]
