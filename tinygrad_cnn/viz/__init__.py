"""Pictures: the graph that autograd recorded, and plots of a training run."""

from .graph import draw
from .plots import plot_confusion, plot_error_by_age, plot_filters, plot_history, plot_predictions, plot_scatter

__all__ = [
    "draw",
    "plot_confusion",
    "plot_error_by_age",
    "plot_filters",
    "plot_history",
    "plot_predictions",
    "plot_scatter",
]
