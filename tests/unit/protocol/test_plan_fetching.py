"""Which host sends which part of which file, and how its answer is checked."""

import base64
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from plan_world import RINGS, resolution, transition

from patchctl.adapters.content_store import ContentStore
from patchctl.errors import IntegrityError, NotFoundError
from patchctl.models.facts import PackageManager
from patchctl.models.plan import Artifact, LeftOutReason
from patchctl.protocol.fetching import (
    Needed,
    Piece,
    Received,
    Refused,
    messages,
    needed_files,
    parse,
    payload,
    without_files,
)

SSL = transition("openssl")
CONTENT = b"package" * 1000
FILE = Artifact(name="a_1_all.deb", size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())


def need(file: Artifact = FILE) -> Needed:
    return Needed(
        manager=PackageManager.APT,
        package="a",
        arch="all",
        version="1",
        file=file,
        hosts=("h1",),
    )


def of_size(number: int, size: int) -> Needed:
    return need(Artifact(name=f"a_{number}_all.deb", size=size, sha256=f"{number:064x}"))


def answer(*pieces: tuple[int, bytes]) -> str:
    lines = ["fetch 1"]
    for offset, data in pieces:
        lines.append(f"piece {FILE.sha256} {offset} {len(data)}")
        text = base64.b64encode(data).decode()
        lines += [text[start : start + 76] for start in range(0, len(text), 76)]
        lines.append(".")
    return "\n".join([*lines, "end", ""])


def test_every_file_is_needed_once_and_early_rings_fetch_it() -> None:
    taken = [
        resolution("p1", SSL),
        resolution("a1", SSL, transition("gone", after="")),
        resolution("s2", SSL),
        resolution("s1", SSL),
    ]
    rings = {"p1": "production", "a1": "canary", "s1": "staging", "s2": "staging"}
    needed = needed_files(taken, rings, RINGS)
    assert [needed_file.file for needed_file in needed] == [SSL.file]
    assert needed[0].hosts == ("s1", "s2", "a1", "p1")


@given(st.lists(st.integers(1, 50), max_size=8), st.integers(1, 30))
def test_pieces_cover_every_byte_once_and_no_message_is_too_large(
    sizes: list[int], limit: int
) -> None:
    files = [of_size(number, size) for number, size in enumerate(sizes)]
    cut = messages(files, limit)
    assert all(0 < sum(piece.length for piece in message) <= limit for message in cut)
    for file in files:
        pieces = [piece for message in cut for piece in message if piece.needed == file]
        covered = [byte for p in pieces for byte in range(p.offset, p.offset + p.length)]
        assert covered == list(range(file.file.size))


def test_the_request_names_each_piece() -> None:
    text = payload("ab12", [Piece(needed=need(), offset=5, length=7)], host="h1", keep=True)
    assert text == (
        f"patchctl-fetch 1\nwork ab12\nkeep yes\npiece a_1_all.deb a all 1 {FILE.sha256} 5 7 -\n"
    )


def test_the_request_names_the_repository_as_the_host_that_is_asked_does() -> None:
    web = structs.replace(SSL, origin="baseos")
    mirrored = structs.replace(SSL, origin="mirror")
    taken = [
        structs.replace(resolution(host, planned), manager=PackageManager.DNF)
        for host, planned in (("s1", web), ("s2", mirrored))
    ]
    (needed,) = needed_files(taken, {"s1": "staging", "s2": "staging"}, RINGS)
    for host, name in (("s1", "baseos"), ("s2", "mirror")):
        text = payload("ab12", [Piece(needed=needed, offset=0, length=1)], host=host, keep=True)
        assert text.endswith(f" 0 1 {name}\n")


def test_the_name_of_a_repository_outside_of_the_grammar_never_reaches_a_host() -> None:
    bad = structs.replace(need(), repositories=("../keys",))
    with pytest.raises(ValueError, match="grammar"):
        payload("ab12", [Piece(needed=bad, offset=0, length=1)], host="h1", keep=True)


@pytest.mark.parametrize("name", ["../a.deb", "a b.deb", "-a.deb", "$(x).deb", "a\n.deb"])
def test_a_file_name_outside_of_the_grammar_never_reaches_a_host(name: str) -> None:
    bad = need(Artifact(name=name, size=1, sha256=FILE.sha256))
    with pytest.raises(ValueError, match="grammar"):
        payload("ab12", [Piece(needed=bad, offset=0, length=1)], host="h1", keep=False)


def test_pieces_come_back_as_bytes() -> None:
    pieces = messages([need()], 4000)
    got = [
        piece
        for index, message in enumerate(pieces)
        for piece in parse(answer((index * 4000, CONTENT[index * 4000 :][:4000])), message)
    ]
    assert b"".join(item.data for item in got if isinstance(item, Received)) == CONTENT


def test_a_refusal_has_the_hosts_own_words_without_its_escapes() -> None:
    text = f"fetch 1\nfailed {FILE.sha256} 404 \x1b[31mNot Found\nend\n"
    assert list(parse(text, messages([need()])[0])) == [
        Refused(sha256=FILE.sha256, reason="404 [31mNot Found")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello\n",
        answer((0, CONTENT)).replace("\nend\n", "\n"),
        answer((0, CONTENT)).replace("\n.\nend\n", "\nend\n"),
        answer((0, CONTENT)).replace("cGFj", "cG*j"),
        answer((1, CONTENT)),
        answer((0, CONTENT + b"more")),
        answer((0, CONTENT[:-1])),
        answer((0, CONTENT)).replace(FILE.sha256, "0" * 64),
        "fetch 1\nsurprise\nend\n",
    ],
)
def test_what_was_not_asked_for_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(parse(text, messages([need()])[0]))


def test_hosts_without_a_file_are_left_out_with_the_reason() -> None:
    assert SSL.file is not None
    taken = [resolution("h1", SSL), resolution("h2", transition("x", after=""))]
    kept, left_out = without_files(taken, {SSL.file.sha256: "h1: 404 Not Found"})
    assert [row.host for row in kept] == ["h2"]
    assert [(row.host, row.package, row.reason, row.detail) for row in left_out] == [
        ("h1", "openssl", LeftOutReason.FETCH_FAILED, "h1: 404 Not Found")
    ]


# --- the content store --------------------------------------------------------------------------


def stored(root: Path) -> ContentStore:
    store = ContentStore(root / "store")
    with store.receive() as incoming:
        incoming.write(4000, CONTENT[4000:])
        incoming.write(0, CONTENT[:4000])
        store.keep(incoming.path, FILE)
    return store


def test_the_store_keeps_what_was_verified(tmp_path: Path) -> None:
    store = stored(tmp_path)
    path = store.path(FILE)
    assert path == tmp_path / "store" / "sha256" / FILE.sha256[:2] / FILE.sha256
    assert path.read_bytes() == CONTENT
    assert store.holds(FILE)
    assert store.verify(FILE) == path
    assert path.stat().st_mode & 0o777 == 0o600
    assert {folder.stat().st_mode & 0o777 for folder in (path.parent, store.root)} == {0o700}
    assert list((store.root / "incoming").iterdir()) == []


def test_a_file_with_another_hash_never_enters(tmp_path: Path) -> None:
    store = ContentStore(tmp_path / "store")
    with pytest.raises(IntegrityError), store.receive() as incoming:
        incoming.write(0, CONTENT.replace(b"p", b"q", 1))
        store.keep(incoming.path, FILE)
    assert not store.holds(FILE)
    assert list((store.root / "incoming").iterdir()) == []


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="make the plan again"):
        ContentStore(tmp_path / "store").path(FILE)


def test_a_damaged_file_is_found_and_fetched_again(tmp_path: Path) -> None:
    store = stored(tmp_path)
    store.path(FILE).write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(IntegrityError, match="SHA-256"):
        store.verify(FILE)
    assert not store.holds(FILE)
    assert not (tmp_path / "store" / "sha256" / FILE.sha256[:2] / FILE.sha256).exists()


def test_a_check_reads_what_is_there_and_leaves_it(tmp_path: Path) -> None:
    store = stored(tmp_path)
    missing = Artifact(name="b_1_all.deb", size=1, sha256="0" * 64)
    store.check([missing, FILE])
    path = store.path(FILE)
    path.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(IntegrityError, match=FILE.name) as error:
        store.check([missing, FILE])
    assert error.value.exit_code == 6
    assert path.exists()  # evidence is not thrown away; making a plan anew replaces it
