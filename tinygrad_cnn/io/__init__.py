"""Files that models are kept in and exchanged through."""

from .weights import load, load_metadata, save

__all__ = ["load", "load_metadata", "save"]
