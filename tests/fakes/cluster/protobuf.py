"""As much of the protobuf wire format as kubectl's access reviews need: it sends those no other way."""

from __future__ import annotations

from typing import Any

MAGIC = b"k8s\x00"
_ATTRIBUTES = {1: "namespace", 2: "verb", 3: "group", 4: "version", 5: "resource", 6: "subresource", 7: "name"}


def review_of(raw: bytes, which: str) -> dict[str, Any]:
    """A SelfSubjectAccessReview or SelfSubjectRulesReview as JSON would say it."""
    envelope = _fields(raw[len(MAGIC) :])
    spec = _fields(_fields(envelope[2]).get(2, b""))
    found: dict[str, Any]
    if which == "selfsubjectrulesreviews":
        kind, found = "SelfSubjectRulesReview", {"namespace": spec.get(1, b"").decode()}
    else:
        attributes = {
            _ATTRIBUTES[n]: value.decode() for n, value in _fields(spec.get(1, b"")).items() if n in _ATTRIBUTES
        }
        kind, found = "SelfSubjectAccessReview", {"resourceAttributes": attributes}
    return {"kind": kind, "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": found}


def _fields(raw: bytes) -> dict[int, bytes]:
    """Length-delimited fields by number; the messages at hand have no others that matter."""
    found, at = {}, 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        size, at = _varint(raw, at)
        if tag & 7 == 2:
            found[tag >> 3] = raw[at : at + size]
            at += size
    return found


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (raw[at] & 0x7F) << shift
        shift += 7
        at += 1
        if raw[at - 1] < 0x80:
            return value, at
