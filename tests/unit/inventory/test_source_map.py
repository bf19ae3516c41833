"""Find the line of each host, group and variable in static sources."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchctl.inventory.source_map import Source, SourceMap, in_range, line_of

YAML = """\
all:
  children:
    web:
      hosts:
        web[1:3]:
        web9: {ansible_host: 10.0.0.9}
      vars:
        ansible_user: ops
        secret: !vault |
          $ANSIBLE_VAULT;1.1;AES256
          00
    db:
      children: {primary: {hosts: {db1: }}}
"""

INI = """\
# the old part
lonely ansible_port=2222

[web]
web[01:10] ansible_user="ops of web"  # comment
[web:vars]
ansible_password = 'plain = text'
[site:children]
web
"""


def yaml(text: str = YAML, name: str = "inventory/hosts.yml") -> SourceMap:
    return SourceMap([Source(name, text)])


class TestYaml:
    def test_a_host_by_its_name_or_its_range(self) -> None:
        assert yaml().host("web9") == "inventory/hosts.yml:6"
        assert yaml().host("web2") == "inventory/hosts.yml:5"
        assert yaml().host("db1") == "inventory/hosts.yml:13"
        assert yaml().host("web4") == ""

    def test_a_group_at_any_depth(self) -> None:
        assert yaml().group("db") == "inventory/hosts.yml:12"
        assert yaml().group("primary") == "inventory/hosts.yml:13"

    def test_a_variable_of_the_host_then_of_its_groups_then_the_host(self) -> None:
        assert yaml().variable("ansible_host", "web9", ["web"]) == "inventory/hosts.yml:6"
        assert yaml().variable("ansible_user", "web9", ["web"]) == "inventory/hosts.yml:8"
        assert yaml().variable("ansible_port", "web9", ["web"]) == "inventory/hosts.yml:6"

    def test_a_vaulted_value_has_no_text(self) -> None:
        (secret,) = [location for location in yaml().all if location.key == "secret"]
        assert secret.value is None

    def test_an_anchor_points_to_where_it_was_written(self) -> None:
        text = "x: &x\n  hosts: {a: &v {ansible_user: ops}}\ny: {hosts: {b: {<<: *v}}}\n"
        assert yaml(text, "h.yml").variable("ansible_user", "b", []) == "h.yml:2"


class TestIni:
    source_map = SourceMap([Source("inventory/hosts", INI)])

    def test_hosts_groups_and_variables(self) -> None:
        assert self.source_map.host("lonely") == "inventory/hosts:2"
        assert self.source_map.host("web07") == "inventory/hosts:5"
        assert self.source_map.group("site") == "inventory/hosts:8"
        assert self.source_map.variable("ansible_user", "web07", ["web"]) == "inventory/hosts:5"
        assert self.source_map.variable("ansible_password", "web07", ["web"]) == "inventory/hosts:7"

    def test_values_lose_their_quotes(self) -> None:
        assert {
            location.key: location.value for location in self.source_map.all if location.key
        } == {
            "ansible_port": "2222",
            "ansible_user": "ops of web",
            "ansible_password": "plain = text",
        }


class TestFolders:
    @pytest.mark.parametrize(
        "name", ["i/group_vars/web.yml", "i/group_vars/web", "i/group_vars/web/a.yml"]
    )
    def test_group_vars(self, name: str) -> None:
        assert yaml("\nansible_user: x\n", name).variable("ansible_user", "h", ["web"]) == (
            f"{name}:2"
        )

    def test_host_vars(self) -> None:
        source_map = yaml("ansible_user: x\n", "i/host_vars/web1.example.com.yml")
        assert source_map.variable("ansible_user", "web1.example.com", []).endswith("com.yml:1")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("inventory/cloud.sh", "#!/bin/sh\nexec x\n"),
        ("inventory/aws.yml", "plugin: amazon.aws.aws_ec2\nhosts: {a: {}}\n"),
        ("inventory/key", "-----BEGIN OPENSSH PRIVATE KEY-----\nansible_password=x\n"),
        ("group_vars/all.yml", "$ANSIBLE_VAULT;1.1;AES256\n00\n"),
        ("inventory/.hosts.yml", YAML),
        ("inventory/hosts.yml~", YAML),
        ("inventory/README.md", INI),
        ("inventory/broken.yml", "a: [\n"),
    ],
)
def test_what_is_no_static_source_has_no_places(name: str, text: str) -> None:
    assert SourceMap([Source(name, text)]).all == ()


@given(st.text(max_size=80), st.sampled_from(["h.yml", "h", "group_vars/a.yml", "h.ini"]))
def test_no_text_is_too_odd(text: str, name: str) -> None:
    for location in SourceMap([Source(name, text)]).all:
        assert location.where.startswith(f"{name}:")


def test_an_alias_inside_of_itself_ends() -> None:
    assert SourceMap([Source("h.yml", "a: &a\n  children: {b: *a}\n")]).group("a") == "h.yml:1"


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("web[1:3]", "web3", True),
        ("web[1:3]", "web4", False),
        ("web[01:10].x.org", "web07.x.org", True),
        ("web[01:10].x.org", "web07-x.org", False),
        ("db-[a:c]", "db-b", True),
        ("r[1:2]u[1:9]", "r2u9", True),
        ("r[1:2]u[1:9]", "r3u9", False),
    ],
)
def test_ranges(pattern: str, name: str, *, fits: bool) -> None:
    assert in_range(pattern, name) is fits


def test_the_line_of_a_setting_or_of_what_is_around_it() -> None:
    text = "\nassign:\n  rules:\n    - ring: canary\n      groups: [a,\n        b]\n"
    assert line_of(text, ("assign", "rules", 0, "groups", 1)) == 6
    assert line_of(text, ("assign", "rules", 0)) == 4
    assert line_of(text, ("rings", 2)) == 1
    assert line_of("", ("rings", 2)) == 1
