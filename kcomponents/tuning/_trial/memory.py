"""Memory use of this process and its device."""

import psutil

from kcomponents._backends import devices


def memory():
    """Return peak bytes on the accelerator, or the host memory in use without one."""
    on_device = devices.peak_memory()
    return psutil.Process().memory_info().rss if on_device is None else on_device
