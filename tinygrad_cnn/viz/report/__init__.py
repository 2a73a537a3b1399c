"""The report of a training run: one HTML page that needs nothing beside itself, neither network nor files.

>>> from datetime import datetime
>>> from tinygrad_cnn.viz.report import Report, render
>>> now = datetime(2024, 1, 1).astimezone()
>>> page = render(Report("first try", "AgeCNN on UTKFace", "running", now, now, epochs=10, history=[]))
>>> page[:15], "first try" in page
('<!DOCTYPE html>', True)
"""

from .page import render
from .state import Classification, Outcome, Report

__all__ = ["Classification", "Outcome", "Report", "render"]
