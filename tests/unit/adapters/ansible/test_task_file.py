"""Check the task file of an operator's hook before a host is drained."""

from pathlib import Path

import pytest

from patchctl.adapters.ansible.task_file import check
from patchctl.errors import InvalidInputError

GOOD = """\
- name: Out of the balancer
  ansible.builtin.uri:
    url: "{{ lb }}/{{ inventory_hostname }}"
    headers: {Token: !vault "$ANSIBLE_VAULT;1.1;AES256\\n6162"}
    body: !unsafe "{{ no template }}"
  delegate_to: localhost
  register: answer
  until: answer is success
  retries: 3
- block:
    - command: /bin/true
      with_items: [1, 2]
    - action: shell echo
  rescue:
    - debug: {msg: "&anchors are fine"}
  always: []
- import_tasks: more.yml
"""


def problem(tmp_path: Path, text: str | bytes) -> list[str]:
    file = tmp_path / "drain.yml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidInputError) as raised:
        check(file, "hooks/drain.yml")
    assert raised.value.exit_code == 2
    return raised.value.lines()


@pytest.mark.parametrize(
    "text",
    [GOOD, "", "---\n", "[]", "# nothing yet\n", "$ANSIBLE_VAULT;1.1;AES256\n61626364\n: ["],
)
def test_what_ansible_can_read_is_taken(tmp_path: Path, text: str) -> None:
    (tmp_path / "drain.yml").write_text(text)
    check(tmp_path / "drain.yml", "hooks/drain.yml")


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("- name: a\n  command: 'open\n", 3, "not valid YAML: "),
        ("- command: x\n\t- tab\n", 2, "not valid YAML: "),
        ("- debug:\n- a: [\n", 3, "not valid YAML: "),
        ("- debug:\n---\n- debug:\n", 2, "not valid YAML: "),
        ("command: /bin/true\n", 1, "a hook is a list of tasks, each begins with `- `"),
        ("just words\n", 1, "a hook is a list of tasks, each begins with `- `"),
        ("- debug:\n- words\n", 2, "a task must be a mapping (key: value)"),
        ("- hosts: all\n  tasks: []\n", 1, "this is a playbook (hosts)"),
        ("- debug:\n- name: only\n  when: true\n", 2, "the task does nothing"),
        ("- debug:\n- meta: refresh_inventory\n", 2, "refresh_inventory finds nothing to read"),
        (
            "- block:\n    - ansible.builtin.meta: refresh_inventory\n",
            2,
            "refresh_inventory finds nothing to read",
        ),
        ("- command: a\n  shell: b\n", 1, "a task has one module, not command and shell"),
        ("- block:\n    - name: only\n", 2, "the task does nothing"),
        ("- block: {command: a}\n", 1, "block is a list of tasks"),
        ("- debug:\n    msg: {{ host }}\n", 2, "put a value that begins with {{ in quotes"),
        ("[" * 5000, 1, "not valid YAML: "),
    ],
)
def test_what_it_cannot_read_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, what: str
) -> None:
    (message,) = problem(tmp_path, text)
    assert message.startswith(f"hooks/drain.yml:{line}: ")
    assert what in message


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    messages = problem(tmp_path, "- name: a\n- name: b\n- words\n")
    assert [line.split(":")[1] for line in messages] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("data", "what"), [(b"- debug: \xff\n", "not UTF-8"), (b"#" * (1 << 21), "larger than 1 MiB")]
)
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes, what: str) -> None:
    (message,) = problem(tmp_path, data)
    assert what in message


def test_an_alias_inside_what_it_names_is_no_trap(tmp_path: Path) -> None:
    (message,) = problem(tmp_path, "- &task\n  name: a\n  vars: {again: *task}\n")
    assert "does nothing" in message


def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"^hooks/x\.yml: cannot be read: No such file"):
        check(tmp_path / "x.yml", "hooks/x.yml")
