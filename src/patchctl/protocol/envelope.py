"""Unpack the envelope of a host's answer. The `patch_script` action documents its form."""

import base64
import binascii
import re
import zlib

from ..errors import AdapterError

DECODED_MAX = 64 * 1024 * 1024
_HEADER = re.compile(rb"patchctl-frame 1 (gzip|plain) (\d{1,3})\n")


def decode(content: bytes) -> tuple[int, str]:
    """Return (exit code, text). Bytes that are not UTF-8 become U+FFFD.

    Raises AdapterError where the envelope is damaged or its content is larger than 64 MiB.
    """
    header = _HEADER.match(content)
    if header is None:
        raise AdapterError("the answer has no valid header")
    body = content[header.end() :]
    if header.group(1) == b"gzip":
        body = _unpack(body)
    elif len(body) > DECODED_MAX:
        raise AdapterError("the answer is larger than 64 MiB")
    return int(header.group(2)), body.decode("utf-8", "replace")


def _unpack(body: bytes) -> bytes:
    # 16 + MAX_WBITS: expect gzip's header, and check its length and CRC (RFC 1952).
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        text = stream.decompress(base64.b64decode(body), DECODED_MAX)
    except (binascii.Error, zlib.error) as error:
        raise AdapterError("the answer is damaged") from error
    if stream.unconsumed_tail:
        raise AdapterError("the answer is larger than 64 MiB")
    if not stream.eof:
        raise AdapterError("the answer was cut off")
    return text
