"""Models as ONNX files, which ONNX Runtime, browsers and phones can run without this package.

`trace` writes down what a model computes, `batch` finds out which sizes grow with the batch, and `operators` says
each operation in ONNX.
"""

from .export import export_onnx

__all__ = ["export_onnx"]
