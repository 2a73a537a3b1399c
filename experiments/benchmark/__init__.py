"""The benchmark behind ``bench.py``: rows, contenders in processes of their own, interleaved rounds, a report."""
