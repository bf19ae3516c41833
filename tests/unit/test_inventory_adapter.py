"""How ansible-inventory is run and what is made of its complaints."""

from pathlib import Path

import pytest

from patchctl.adapters.ansible.environment import clean_environment
from patchctl.adapters.ansible.inventory_errors import explain, misspelled, warnings_in

DATA = Path(__file__).parent.parent / "data" / "inventory_errors"


class TestEnvironment:
    def test_what_would_change_ansible_is_dropped_and_the_rest_kept(self) -> None:
        found = clean_environment(
            {
                "ANSIBLE_CONFIG": "/x",
                "ANSIBLE_STRATEGY": "free",
                "ANSIBLE_HOST_KEY_CHECKING": "False",
                "ANSIBLE_VAULT_PASSWORD_FILE": "/v",
                "SSH_AUTH_SOCK": "/s",
                "LANG": "de_DE.UTF-8",
            }
        )
        assert found == {
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_VAULT_PASSWORD_FILE": "/v",
            "SSH_AUTH_SOCK": "/s",
            "LANG": "de_DE.UTF-8",
        }

    @pytest.mark.parametrize("outside", [{}, {"LANG": "C"}, {"LC_ALL": "C", "LANG": "C.UTF-8"}])
    def test_a_locale_that_ansible_refuses_is_replaced(self, outside: dict[str, str]) -> None:
        assert clean_environment(outside)["LC_ALL"] == "C.UTF-8"


def complaint(name: str) -> str:
    """What ansible-inventory printed about a source below /w, without colours."""
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
