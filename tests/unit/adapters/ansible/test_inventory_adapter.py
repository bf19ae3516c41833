"""Run ansible-inventory, and shorten its errors."""

from pathlib import Path

import pytest

from patchctl.adapters.ansible.environment import clean_environment
from patchctl.adapters.ansible.inventory_errors import explain, misspelled, warnings_in
from patchctl.adapters.ansible.static_sources import bare_folders

DATA = Path(__file__).parents[3] / "data" / "inventory_errors"


class TestEnvironment:
    def test_what_would_change_ansible_is_dropped_and_the_rest_kept(self) -> None:
        environment = clean_environment(
            {
                "ANSIBLE_CONFIG": "/x",
                "ANSIBLE_STRATEGY": "free",
                "ANSIBLE_HOST_KEY_CHECKING": "False",
                "ANSIBLE_VAULT_PASSWORD_FILE": "/v",
                "SSH_AUTH_SOCK": "/s",
                "LANG": "de_DE.UTF-8",
            }
        )
        assert environment == {
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_VAULT_PASSWORD_FILE": "/v",
            "SSH_AUTH_SOCK": "/s",
            "LANG": "de_DE.UTF-8",
        }

    @pytest.mark.parametrize("outside", [{}, {"LANG": "C"}, {"LC_ALL": "C", "LANG": "C.UTF-8"}])
    def test_a_locale_that_ansible_refuses_is_replaced(self, outside: dict[str, str]) -> None:
        assert clean_environment(outside)["LC_ALL"] == "C.UTF-8"


def complaint(name: str) -> str:
    """Return what ansible-inventory printed about a source below /w, without colours."""
    return (DATA / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", sorted(path.stem for path in DATA.glob("*.txt")))
def test_many_lines_become_one(name: str) -> None:
    expected = (DATA / f"{name}.expected").read_text().strip()
    text = complaint(name)
    error = misspelled(text, ["inventory"], Path("/w")) or explain(text, ["inventory"], Path("/w"))
    assert str(error) == expected


def test_warnings_are_told_once() -> None:
    text = "[WARNING]: one\nmore of it\n[WARNING]: two\n[WARNING]: one\n[ERROR]: three\n"
    assert warnings_in(text) == ("one", "two")


class TestBareFolders:
    """A folder without anything that Ansible reads is ignored, by its name."""

    def made(self, root: Path, *names: str) -> None:
        for name in names:
            path = root / "inventory" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir()
            else:
                path.write_text("a\n")

    def bare(self, root: Path, *sources: str) -> list[str]:
        folders = bare_folders(sources or ("inventory",), root)
        return sorted(str(path.relative_to(root)) for path in folders)

    def test_the_outermost_is_told(self, tmp_path: Path) -> None:
        self.made(tmp_path, "hosts.yml", "docs/deep/README.md", "empty/", "cloud/aws.yml")
        assert self.bare(tmp_path) == ["inventory/docs", "inventory/empty"]

    def test_what_ansible_does_not_search_is_none(self, tmp_path: Path) -> None:
        self.made(tmp_path, "hosts.yml", "group_vars/", "host_vars/x/", ".hidden/", "vars_plugins/")
        assert self.bare(tmp_path) == []

    def test_a_source_that_is_bare_itself_stays_a_mistake(self, tmp_path: Path) -> None:
        self.made(tmp_path, "docs/README.md", "group_vars/all.yml")
        assert self.bare(tmp_path) == []

    def test_nothing_is_passed_over_that_has_the_name_of_a_source(self, tmp_path: Path) -> None:
        self.made(tmp_path, "a/old/hosts", "b/old/README.md", "b/hosts")
        assert self.bare(tmp_path) == []

    def test_links_in_a_circle_end(self, tmp_path: Path) -> None:
        self.made(tmp_path, "hosts.yml", "a/README.md")
        (tmp_path / "inventory/a/round").symlink_to(tmp_path / "inventory")
        assert self.bare(tmp_path) in ([], ["inventory/a"])
