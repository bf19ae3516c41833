"""Stream files of the controller to a host, as root, through the same channel as patch_script.

    patch_push:
      list: path of a controller file with the lines
        directory /var/lib/patchctl/TRANSACTION[/FOLDER]
        file SHA256 SIZE NAME PATH-ON-THE-CONTROLLER

No sftp, no temporary folder that others can write to. A file that is there with the right digest
is not sent again. Each ends under its name only after the host's own sha256sum agreed; modes are
0700 and 0600. The result has `files` and `bytes`, what was sent.
"""

from __future__ import annotations

import base64
import re
import secrets
import shlex
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

CHUNK = 16 * 1024 * 1024
LIST_MAX = 4 * 1024 * 1024
ANSWER_MAX = 4 * 1024 * 1024
DIRECTORY = re.compile(r"/var/lib/patchctl(/[A-Za-z0-9][A-Za-z0-9._-]*){1,3}")
FILE = re.compile(r"file ([0-9a-f]{64}) ([1-9][0-9]{0,11}) ([A-Za-z0-9][A-Za-z0-9._+~%:-]*) (/.+)")

LOOK = """\
own() {
  [ ! -h "$1" ] || return 1
  [ -d "$1" ] || mkdir -m 0700 "$1" || return 1
  own_path=$1
  set -- $(ls -ldn "$1")
  [ "$3" = 0 ] || return 1
  case $1 in drwx------*) ;; *) chmod 0700 "$own_path" ;; esac
}
look() {
  [ "$(id -u)" = 0 ] || exit 10
  command -v sha256sum >/dev/null 2>&1 || exit 12
  directory=${PATCHCTL_INPUT%%
*}
  path=/var/lib
  rest=${directory#/var/lib/}/
  while [ -n "$rest" ]; do
    path=$path/${rest%%/*}
    rest=${rest#*/}
    own "$path" || exit 11
  done
  cd "$directory" || exit 11
  printf '%s' "${PATCHCTL_INPUT#*
}" | while read -r sum name; do
    if [ ! -f "$name" ] || [ -h "$name" ]; then continue; fi
    set -- $(sha256sum <"$name")
    [ "$1" = "$sum" ] && printf 'have %s\\n' "$name"
  done
  return 0
}
look </dev/null
"""
# DIRECTORY NAME OFFSET SHA256-or-"-" NONCE
TAKE = """\
umask 077
cd "$1" || exit 11
part=$2.part
if [ "$3" = 0 ]; then rm -f "$part" && set -C && : >"$part" && set +C || exit 13; fi
set +C
[ "$(($(wc -c <"$part")))" = "$3" ] || exit 14
cat >>"$part" || exit 13
if [ "$4" != - ]; then
  sum=$(sha256sum <"$part")
  [ "${sum%% *}" = "$4" ] || { rm -f "$part"; exit 15; }
  mv -f "$part" "$2" || exit 13
fi
printf '\\n@@%s ok\\n' "$5"
"""
REFUSALS = {
    10: "not root on the host; become must give root",
    11: "/var/lib/patchctl is not a folder of root alone",
    12: "sha256sum is missing on the host",
    13: "the file cannot be written on the host (space, inodes, read-only)",
    14: "a part of the file was lost on the way",
    15: "the file arrived damaged",
}


class Item(NamedTuple):
    """One file of the list."""

    sha256: str
    size: int
    name: str
    source: Path


class ActionModule(ActionBase):
    """See the module's text."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"list"})

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(changed=False, files=0, bytes=0)
        path = self._task.args.get("list") or ""
        if self._task.check_mode or not path:
            return result
        directory, items = _parse(path)
        there = self._look(directory, items)
        for item in items:
            if item.name not in there:
                self._send(directory, item)
                result.update(
                    changed=True, files=result["files"] + 1, bytes=result["bytes"] + item.size
                )
        return result

    def _look(self, directory: str, items: list[Item]) -> set[str]:
        """Make the folder; the names that are there already, whole."""
        script = self._shared_loader_obj.action_loader.get(
            "patch_script",
            task=self._task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        asked = "".join(f"{item.sha256} {item.name}\n" for item in items)
        answer = script.run_script(LOOK, [], f"{directory}\n{asked}")
        if answer["rc"] != 0:
            raise AnsibleActionFail(REFUSALS.get(answer["rc"], answer.get("msg", "push failed")))
        known = {item.name for item in items}
        lines = _unpack(answer["frame"]).splitlines()
        return {line[5:] for line in lines if line.startswith("have ")} & known

    def _send(self, directory: str, item: Item) -> None:
        try:
            with item.source.open("rb") as file:
                offset = 0
                while offset < item.size:
                    chunk = file.read(min(CHUNK, item.size - offset))
                    if not chunk:
                        break
                    last = offset + len(chunk) == item.size
                    self._take(directory, item, offset, chunk, last)
                    offset += len(chunk)
        except OSError as error:
            raise AnsibleActionFail(f"{item.source}: {error.strerror}") from error
        if offset != item.size or item.source.stat().st_size != item.size:
            raise AnsibleActionFail(f"{item.source}: its size is not the one of the list")

    def _take(self, directory: str, item: Item, offset: int, chunk: bytes, last: bool) -> None:
        nonce = secrets.token_hex(12)
        words = [directory, item.name, str(offset), item.sha256 if last else "-", nonce]
        command = " ".join(["/bin/sh", "-c", shlex.quote(TAKE), "patchctl-push", *words])
        got = self._low_level_execute_command(command, in_data=chunk)
        if f"@@{nonce} ok\n" not in got["stdout"]:
            code = int(got["rc"])
            why = REFUSALS.get(code, f"the transfer ended with exit code {code}")
            raise AnsibleActionFail(f"{item.name}: {why}")


def _parse(path: str) -> tuple[str, list[Item]]:
    content = Path(path).read_bytes()
    if len(content) > LIST_MAX:
        raise AnsibleActionFail(f"{path}: the list is too long")
    first, *lines = content.decode("utf-8").splitlines() or [""]
    directory = first.removeprefix("directory ")
    if first == directory or not DIRECTORY.fullmatch(directory):
        raise AnsibleActionFail(f"{path}:1: not a folder under /var/lib/patchctl")
    items = []
    for number, line in enumerate(lines, start=2):
        found = FILE.fullmatch(line)
        if found is None or found[3].endswith(".part"):
            raise AnsibleActionFail(f"{path}:{number}: not understood")
        items.append(Item(found[1], int(found[2]), found[3], Path(found[4])))
    return directory, items


def _unpack(frame: str) -> str:
    header, _, body = frame.partition("\n")
    content = body.encode("utf-8", "surrogateescape")
    if " gzip " in header:
        try:
            stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
            content = stream.decompress(base64.b64decode(content), ANSWER_MAX)
        except (ValueError, zlib.error) as error:
            raise AnsibleActionFail("the answer is damaged") from error
    return content.decode("utf-8", "replace")
