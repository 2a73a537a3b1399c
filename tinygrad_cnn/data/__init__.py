"""Images with targets: datasets, transforms and the loader."""

from . import transforms
from .dataset import ArrayDataset, Dataset, Subset
from .loader import DataLoader
from .transforms import Compose, default_augmentation, to_float

__all__ = [
    "ArrayDataset",
    "Compose",
    "DataLoader",
    "Dataset",
    "Subset",
    "default_augmentation",
    "to_float",
    "transforms",
]
