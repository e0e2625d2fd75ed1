"""The parts of `probe_overhead.py`: its models, its intervals and its whole fits."""
