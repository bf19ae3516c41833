"""Run one shell script on a host by one connection command; nothing but POSIX sh is needed there.

    patch_script:
      script: path of a .sh file on the controller, or a list whose files are joined in order;
        the last line is `main "$@" </dev/null`
      arguments: fixed words, given to main
      payload: path of a controller file; its text becomes the shell variable PATCHCTL_INPUT
      carried: path of a .sh file, or a list of such: their text becomes the shell variable
        PATCHCTL_CARRIED, for a script that starts another one detached
      output: folder on the controller; empty: the answer stands in the result

The answer (the script's standard output) is one frame: a line `patchctl-frame 1 ENCODING RC` and
the body. ENCODING is `gzip` (then base64) or `plain`. With `output` it is written to
`OUTPUT/<first 32 hex digits of sha256(inventory_hostname)>`, standard error beside it with the
suffix `.err`, and the result has only `rc` and `bytes`: what a host says must not pass through
Ansible's variables, and ansible-runner turns a result of more than 700,000 characters into `{}`.
Without it the result has `patch_output` and `patch_error`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import resource
import secrets
import shlex
from pathlib import Path
from typing import Any, NamedTuple

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

RECEIVED_MAX = 64 * 1024 * 1024
PAYLOAD_MAX = 8 * 1024 * 1024
ERROR_MAX = 8 * 1024
# The connection plugin copies what it has at every read, as bytes and then as text.
MEMORY_MAX = 4 * RECEIVED_MAX
WORD = re.compile(r"[A-Za-z0-9_.,:=@%+/-]+")

# The script becomes the body of a function, so a transfer that was cut runs nothing at all: the
# shell reads a compound command to its end before it starts. File descriptor 3 is the
# connection, 4 carries the exit code around the pipe; the script gets neither. `head` ends what is
# too long on the host: the connection plugin copies all that it has at every read.
FRAME = """\
LC_ALL=C
export LC_ALL
unset LANG LANGUAGE
PATH="${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export PATH
PATCHCTL_INPUT=@INPUT@
PATCHCTL_CARRIED=@CARRIED@
patchctl_body() {
@SCRIPT@
}
patchctl_frame() {
  exec 3>&1
  if command -v gzip >/dev/null 2>&1 && command -v base64 >/dev/null 2>&1 \\
    && command -v head >/dev/null 2>&1; then
    printf '\\n@@%s begin gzip\\n' @NONCE@
    patchctl_rc=$( {
      { ( patchctl_body "$@" ) 3>&- 4>&-; echo "$?" >&4; } \\
        | { gzip -c -1 | base64 | head -c @MOST@; } >&3 3>&- 4>&-
    } 4>&1 )
  else
    printf '\\n@@%s begin plain\\n' @NONCE@
    ( patchctl_body "$@" ) 3>&-
    patchctl_rc=$?
  fi
  printf '\\n@@%s end %s\\n' @NONCE@ "${patchctl_rc:-255}"
}
patchctl_frame "$@" </dev/null
exit 0
"""


class ActionModule(ActionBase):
    """See the module's text."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"script", "arguments", "payload", "carried", "output"})

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        if self._task.check_mode:
            result.update(skipped=True, msg="not run in check mode")
            return result
        args = self._task.args
        script = _joined(args.get("script") or "")
        carried = _joined(args.get("carried") or [])
        payload = args.get("payload") or ""
        text = _read(payload, PAYLOAD_MAX, "payload") if payload else ""
        answer = self.run_script(script, args.get("arguments") or [], text, carried)
        host = str((task_vars or {}).get("inventory_hostname"))
        result.update(self.deliver(answer, args.get("output") or "", host))
        return result

    def run_script(
        self, script: str, arguments: list[str], payload: str = "", carried: str = ""
    ) -> dict[str, Any]:
        """{rc, frame, stderr}; `failed` and `msg` too where no whole answer came."""
        sent = _sent(script, arguments, payload, carried)
        _limit_memory()
        try:
            got = self._low_level_execute_command(sent.command, in_data=sent.content)
            return self.extract(got["stdout"], got["stderr"], int(got["rc"]), sent.nonce)
        except MemoryError:
            return _refused("the host sent more than 64 MiB")

    @staticmethod
    def compose(script: str | list[str], arguments: list[str]) -> Sent:
        """For whoever starts the connection command itself, as patch_together does."""
        return _sent(_joined(script), arguments)

    @staticmethod
    def joined(files: str | list[str]) -> str:
        """The text of a script's files, for `composed`."""
        return _joined(files)

    @staticmethod
    def composed(script: str, payload: str, carried: str = "") -> Sent:
        """The same of texts, each question with a mark of its own."""
        return _sent(script, [], payload, carried)

    @staticmethod
    def extract(stdout: str, stderr: str, rc: int, nonce: str) -> dict[str, Any]:
        """{rc, frame, stderr} of what came back; `failed` and `msg` too where it is not whole."""
        return _extract(stdout, stderr, rc, nonce)

    @staticmethod
    def deliver(answer: dict[str, Any], output: str, host: str) -> dict[str, Any]:
        """The result of the task, with the answer in the folder `output` where there is one."""
        return _deliver(answer, output, host)


class Sent(NamedTuple):
    """`command` is run on the host and gets `content` on its standard input."""

    command: str
    content: bytes
    nonce: str


def _sent(script: str, arguments: list[str], payload: str = "", carried: str = "") -> Sent:
    words = [str(word) for word in arguments]
    if not all(WORD.fullmatch(word) for word in words):
        raise AnsibleActionFail("arguments: only plain words are allowed")
    nonce = secrets.token_hex(12)
    command = " ".join(["/bin/sh -s --", *(shlex.quote(word) for word in words)])
    return Sent(command, _compose(script, payload, nonce, carried).encode(), nonce)


def _joined(given: str | list[str]) -> str:
    parts = [given] if isinstance(given, str) else list(given)
    return "".join(_read(part, PAYLOAD_MAX, "script") for part in parts)


def _compose(script: str, payload: str, nonce: str, carried: str = "") -> str:
    parts = {
        "@INPUT@": _quoted(payload),
        "@CARRIED@": _quoted(carried),
        "@SCRIPT@": script,
        "@NONCE@": nonce,
        "@MOST@": str(RECEIVED_MAX + 1),
    }
    # One pass: a marker inside the script or the payload stays what it is.
    return re.sub("|".join(parts), lambda found: parts[found.group()], FRAME)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _extract(stdout: str, stderr: str, rc: int, nonce: str) -> dict[str, Any]:
    errors = stderr[-ERROR_MAX:]
    if len(stdout) > RECEIVED_MAX:
        return _refused("the host sent more than 64 MiB", errors)
    begin = re.search(rf"^@@{nonce} begin (gzip|plain)\n", stdout, re.MULTILINE)
    if begin is None:
        unstarted = _refused(f"the script did not start on the host (exit code {rc})", errors)
        return {**unstarted, "unstarted": True}
    end = stdout.rfind(f"\n@@{nonce} end ")
    code = re.match(r"(\d{1,3})\n", stdout[end:].partition(" end ")[2]) if end >= 0 else None
    if code is None or end + 1 < begin.end():
        return _refused("the answer was cut off", errors)
    # Nothing printed: the newline that ends the begin line is the one that starts the end line.
    body = stdout[begin.end() : max(end, begin.end())]
    frame = f"patchctl-frame 1 {begin.group(1)} {code.group(1)}\n{body}"
    return {"rc": int(code.group(1)), "frame": frame, "stderr": errors}


def _refused(message: str, stderr: str = "") -> dict[str, Any]:
    return {"rc": 255, "frame": "", "stderr": stderr, "failed": True, "msg": message}


def _deliver(answer: dict[str, Any], output: str, host: str) -> dict[str, Any]:
    frame = answer["frame"].encode("utf-8", "surrogateescape")
    errors = answer["stderr"].encode("utf-8", "surrogateescape")
    result: dict[str, Any] = {"rc": answer["rc"], "bytes": len(frame)}
    if answer.get("failed"):
        result.update(failed=True, msg=answer["msg"])
        if answer.get("unstarted"):
            result["patch_unstarted"] = True  # standard error is that of ssh and sudo
    elif answer["rc"] != 0:
        result.update(failed=True, msg=f"the script ended with exit code {answer['rc']}")
    if not output:
        result.update(
            patch_output=frame.decode("utf-8", "replace"),
            patch_error=errors.decode("utf-8", "replace"),
        )
        return result
    name = hashlib.sha256(host.encode()).hexdigest()[:32]
    result["patch_answer"] = True
    for content, path in ((errors, f"{name}.err"), (frame, name)):
        if content:
            try:
                _write(Path(output) / path, content)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                # The controller's disk is full, which says nothing about the host.
                text = f"{output}: the answer cannot be kept: {error.strerror}"
                return {"failed": True, "msg": text, "patch_trouble": text}
    return result


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def _read(path: str, limit: int, what: str) -> str:
    try:
        content = Path(path).read_bytes()
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AnsibleActionFail(f"{what}: {error}") from error
    if len(content) > limit or "\0" in text:
        raise AnsibleActionFail(f"{what}: {path} is larger than {limit} bytes or has a NUL byte")
    return text


def _limit_memory() -> None:
    # This process is the worker of one host and one task: a host that sends without end makes
    # its own worker fail, not the controller.
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MEMORY_MAX
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    except (OSError, ValueError):
        return
