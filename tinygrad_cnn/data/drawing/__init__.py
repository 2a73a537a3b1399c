"""Drawn faces."""

from .portrait import Box, cue_boxes, draw
from .traits import Traits, person

__all__ = ["Box", "Traits", "cue_boxes", "draw", "person"]
