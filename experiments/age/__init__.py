"""The parts of the age experiment: its options, its faces, its training, its report."""
