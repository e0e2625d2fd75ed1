"""What `gpu_check.py` checks: a module for each part, and what all of them share."""
