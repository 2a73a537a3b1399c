"""Images with targets: datasets, transforms, the loader, and splits into train, validation and test."""

from . import splits, transforms
from .cache import cache_folder
from .copies import photo_groups
from .dataset import ArrayDataset, Dataset, LoadError, Relabelled, Subset
from .decode import UnreadableImage, printable, read_image
from .loader import DataLoader
from .synthetic import SyntheticFaces
from .transforms import Compose, augmentation, to_float
from .utkface import KaggleUnreachable, UTKFace

__all__ = [
    "ArrayDataset",
    "Compose",
    "DataLoader",
    "Dataset",
    "KaggleUnreachable",
    "LoadError",
    "Relabelled",
    "Subset",
    "SyntheticFaces",
    "UTKFace",
    "UnreadableImage",
    "augmentation",
    "cache_folder",
    "photo_groups",
    "printable",
    "read_image",
    "splits",
    "to_float",
    "transforms",
]
