"""Models: Module subclasses, nothing else."""
