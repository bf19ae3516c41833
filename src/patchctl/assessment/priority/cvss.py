"""Compute CVSS base scores from vectors, with the `cvss` library."""

from functools import lru_cache

from cvss import CVSS2, CVSS3, CVSS4
from cvss.exceptions import CVSSError

from ...models.advisory import CvssVector


@lru_cache(maxsize=65_536)
def vector_of(text: str, source: str) -> CvssVector | None:
    """A vector with its base score; None where the text is no CVSS vector."""
    try:
        if text.startswith("CVSS:4."):
            return _with_score("4.0", text, float(CVSS4(text).base_score), source)
        if text.startswith("CVSS:3."):
            return _with_score(text[5:8], text, float(CVSS3(text).base_score), source)
        return _with_score("2.0", text, float(CVSS2(text).base_score), source)
    except (CVSSError, ValueError, TypeError):
        return None


def _with_score(version: str, vector: str, score: float, source: str) -> CvssVector:
    return CvssVector(version=version, vector=vector, score=score, source=source)
