"""Files that models are kept in and exchanged through."""

from .onnx import export_onnx
from .weights import load, load_metadata, save

__all__ = ["export_onnx", "load", "load_metadata", "save"]
