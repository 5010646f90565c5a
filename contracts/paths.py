"""What a file is by its name alone: a document, a test, something that a machine wrote."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_DOCUMENTS = {".md", ".rst", ".adoc", ".txt"}
_DOCUMENT_NAMES = {"license", "notice", "authors", "changelog", "contributing", "codeowners", "readme"}
_NOT_DOCUMENTS = re.compile(r"^(requirements|constraints).*\.txt$|^robots\.txt$|^cmakelists\.txt$")
_TEST_NAME = re.compile(r"(^|[._-])(test|tests|spec)([._-]|$)|tests?\.(java|kt|cs|scala)$")
_TEST_FOLDERS = {"test", "tests", "__tests__", "spec", "testdata"}
_GENERATED = re.compile(
    r"\.min\.(js|css)$|_pb2(_grpc)?\.py$|\.pb\.go$|\.generated\.|\.snap$|\.map$|(^|[.-])lock(\.\w+)?$|\.lock$|^go\.sum$"
)
_FOREIGN = {"vendor", "node_modules", "third_party", "dist", "generated"}


def is_document(path: str) -> bool:
    """Whether a file only tells people something."""
    file = PurePosixPath(path.lower())
    if _NOT_DOCUMENTS.search(file.name):
        return False
    return file.suffix in _DOCUMENTS or file.stem in _DOCUMENT_NAMES or file.parts[:1] in (("docs",), ("doc",))


def is_test(path: str) -> bool:
    """Whether a file only checks something."""
    file = PurePosixPath(path.lower())
    return bool(_TEST_NAME.search(file.name)) or not _TEST_FOLDERS.isdisjoint(file.parts[:-1])


def is_generated(path: str) -> bool:
    """Whether a machine or somebody else wrote it: lock files, bundles, vendored code."""
    file = PurePosixPath(path.lower())
    return bool(_GENERATED.search(file.name)) or not _FOREIGN.isdisjoint(file.parts[:-1])


def is_product(path: str) -> bool:
    """Whether it is written by people and runs."""
    return not (is_document(path) or is_test(path) or is_generated(path))
