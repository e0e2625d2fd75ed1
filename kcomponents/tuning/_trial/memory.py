"""Memory: how much of it this process and its device use."""

import psutil

from kcomponents._backends import devices


def memory():
    """Return the bytes in use: on the accelerator if there is one, else on the host."""
    on_device = devices.peak_memory()
    return psutil.Process().memory_info().rss if on_device is None else on_device
