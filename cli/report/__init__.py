"""An investigation as one HTML file that needs nothing else: no script, no request, no font."""

from cli.report.page import render

__all__ = ["render"]
