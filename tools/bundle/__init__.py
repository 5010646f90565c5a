"""Incident bundles on disk: a folder or .tar.gz in, a `domain.bundle.Bundle` out, and back (spec: Incident bundle)."""

from tools.bundle.read import read_bundle, read_truth
from tools.bundle.write import packed, write_bundle

__all__ = ["packed", "read_bundle", "read_truth", "write_bundle"]
