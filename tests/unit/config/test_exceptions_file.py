"""exceptions.yml: its content, all mistakes at once, and additions that change nothing else."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from patchctl.config.exceptions_file import add, load
from patchctl.errors import InvalidInputError
from patchctl.models.exceptions import RiskException

WHOLE = """\
# kept by ops
exceptions:
  - id: EX-1
    cves: [cve-2024-6387, CVE-2021-44228]
    hosts: ["web-*"]
    owner: ops@example.com
    reason: >
      no login
      from outside
    control: "port 22 closed: see firewall.yml"
    expires: 2027-01-31 # a Sunday
  - {id: lab, packages: ["linux*"], groups: [lab], owner: o, reason: r, control: c,
     expires: 2026-12-31}
"""
NEW = RiskException(
    id="EX-2",
    owner="ops@example.com",
    reason='it\'s "only" inside: \\o/ # no',
    control="größer",
    expires="2027-02-28",
    cves=("CVE-2024-1086",),
    hosts=("db-1", "*.lan"),
)


def read(folder: Path, text: str) -> tuple[RiskException, ...]:
    path = folder / "exceptions.yml"
    path.write_bytes(text.encode())
    return load(path)


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        read(folder, text)
    return str(caught.value).splitlines()


class TestRead:
    def test_every_key(self, tmp_path: Path) -> None:
        first, second = read(tmp_path, WHOLE)
        assert first == RiskException(
            id="EX-1",
            owner="ops@example.com",
            reason="no login from outside",
            control="port 22 closed: see firewall.yml",
            expires="2027-01-31",
            cves=("CVE-2024-6387", "CVE-2021-44228"),
            hosts=("web-*",),
        )
        assert (second.id, second.packages, second.groups) == ("lab", ("linux*",), ("lab",))

    @pytest.mark.parametrize("text", ["", "# nothing\n", "exceptions: []\n"])
    def test_none(self, tmp_path: Path, text: str) -> None:
        assert read(tmp_path, text) == ()
        assert load(tmp_path / "no such file") == ()

    def test_a_link_to_nothing_is_no_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "exceptions.yml").symlink_to(tmp_path / "gone")
        with pytest.raises(InvalidInputError, match="cannot be read"):
            load(tmp_path / "exceptions.yml")

    def test_every_mistake_at_once_each_with_its_line(self, tmp_path: Path) -> None:
        text = """\
exceptions:
  - id: one
    cves: [CVE-2024-6387, heartbleed]
    hosts: ["*"]
    owner: ""
    reason: r
    expires: 2027-02-30
  - id: one
    owner: o
    reason: r
    control: c
    expires: soon
  - cves: [CVE-2024-6387]
    hosts: [a b]
    ownr: me
    owner: o
    reason: 5
    control: c
    expires: 20270101
"""
        lines = mistakes(tmp_path, text)
        assert [line.removeprefix("exceptions.yml:") for line in lines] == [
            "2: exceptions[0]: needs the key control",
            "3: exceptions[0].cves[1]: must be a CVE such as CVE-2024-6387, not 'heartbleed'",
            "5: exceptions[0].owner: must be text that says something",
            "7: exceptions[0].expires: there is no day 2027-02-30",
            "8: exceptions[1].id: one is listed twice; ids are unique",
            "8: exceptions[1]: names neither cves nor packages; give it one of them",
            "8: exceptions[1]: says nothing of where it holds; give it hosts or groups; "
            'hosts: ["*"] is all',
            "12: exceptions[1].expires: must be a date such as 2027-01-31, not 'soon'",
            "13: exceptions[2]: needs the key id",
            "14: exceptions[2].hosts[0]: must be a name or a pattern such as web-*, not 'a b'",
            "15: exceptions[2].ownr: unknown key; did you mean owner?",
            "17: exceptions[2].reason: must be text that says something",
            "19: exceptions[2].expires: must be a date such as 2027-01-31, not 20270101",
        ]

    @pytest.mark.parametrize("missing", ["id", "owner", "reason", "control", "expires"])
    def test_owner_reason_control_and_expiry_are_all_required(
        self, tmp_path: Path, missing: str
    ) -> None:
        fields = {"id": "x", "owner": "o", "reason": "r", "control": "c", "expires": "2027-01-31"}
        del fields[missing]
        entry = ", ".join(f"{name}: {value}" for name, value in fields.items())
        text = f"exceptions:\n- {{cves: [CVE-2024-6387], hosts: [a], {entry}}}\n"
        assert mistakes(tmp_path, text) == [
            f"exceptions.yml:2: exceptions[0]: needs the key {missing}"
        ]

    @pytest.mark.parametrize("ident", ["-x", "a b", "x" * 65, "a/b", ""])
    def test_ids_are_short_names(self, tmp_path: Path, ident: str) -> None:
        assert (
            "exceptions[0].id: must be a short name"
            in mistakes(tmp_path, WHOLE.replace("id: EX-1", f"id: '{ident}'"))[0]
        )


class TestAdd:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "# only a comment\n",
            WHOLE,
            WHOLE.removesuffix("\n"),
            WHOLE.replace("\n", "\r\n"),
            WHOLE + "\n# the end\n\n",
            "exceptions:\n- {id: a, cves: [CVE-2024-6387], hosts: [a], owner: o, reason: r, "
            "control: c, expires: 2027-01-31}\n",
            "---\n" + WHOLE,
        ],
    )
    def test_what_was_there_stays_byte_for_byte(self, tmp_path: Path, text: str) -> None:
        before = read(tmp_path, text)
        after = add(text, NEW)
        assert after.startswith(text)
        assert read(tmp_path, after) == (*before, NEW)
        assert after.endswith("\r\n" if "\r\n" in text else "\n")
        again = add(after, structs.replace(NEW, id="EX-3"))
        assert [exception.id for exception in read(tmp_path, again)][-2:] == ["EX-2", "EX-3"]

    def test_it_reads_well(self) -> None:
        assert add("", NEW).splitlines()[-8:] == [
            "exceptions:",
            '  - id: "EX-2"',
            '    cves: ["CVE-2024-1086"]',
            '    hosts: ["db-1", "*.lan"]',
            '    owner: "ops@example.com"',
            '    reason: "it\'s \\"only\\" inside: \\\\o/ # no"',
            '    control: "größer"',
            "    expires: 2027-02-28",
        ]

    @pytest.mark.parametrize(
        "text",
        ["exceptions: []\n", WHOLE + "...\n", WHOLE.replace("exceptions:", '"exceptions":')],
    )
    def test_a_place_where_nothing_can_be_added_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidInputError, match="nothing can be added at its end"):
            add(text, NEW)

    def test_a_taken_id_is_refused(self) -> None:
        with pytest.raises(InvalidInputError, match="there is an exception EX-1 already"):
            add(WHOLE, structs.replace(NEW, id="EX-1"))

    def test_a_broken_file_is_refused_with_its_mistakes(self) -> None:
        with pytest.raises(InvalidInputError, match=r"yml:3: .*unknown key"):
            add(WHOLE.replace("- id: EX-1", "- idd: EX-1"), NEW)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"cves": ("heartbleed",)}, "must be a CVE"),
            ({"id": "a b"}, "must be a short name"),
            ({"cves": ()}, "names neither cves nor packages"),
            ({"hosts": ()}, "says nothing of where it holds"),
            ({"owner": " "}, "must be text that says something"),
        ],
    )
    def test_a_wrong_exception_is_refused_and_called_so(
        self, change: dict[str, object], message: str
    ) -> None:
        with pytest.raises(InvalidInputError, match=message) as caught:
            add(WHOLE, structs.replace(NEW, **change))
        assert str(caught.value).startswith("the new exception:")

    texts = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cn")), min_size=1)

    @settings(deadline=None)
    @given(texts.filter(lambda text: text.isprintable() and text == text.strip()))
    def test_any_printable_text_comes_back(self, text: str) -> None:
        new = structs.replace(NEW, reason=text)
        assert add(add(WHOLE, new), structs.replace(NEW, id="EX-9"))
