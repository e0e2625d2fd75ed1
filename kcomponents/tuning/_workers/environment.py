"""What a worker's environment holds, set before its backend is imported."""

import os
import shutil
import subprocess

from kcomponents._check import fail

# Libraries that compute with several threads, and how they are told how many.
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    # Of XLA's processors.
    "NPROC",
)
# Of a share of a GPU's memory, so much is for the model; the rest is the driver's.
USABLE = 0.9


def gpus():
    """Return the identifiers of the GPUs that this process may use, as strings."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is not None:
        return [name for name in told.split(",") if name and name != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    found = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    lines = found.stdout.splitlines() if found.returncode == 0 else []
    return [str(number) for number, _ in enumerate(lines)]


def share_of(workers, gpus_per_worker, found):
    """Return the share of a GPU for each worker, 0.0 without GPUs.

    Raises:
        ValueError: If more GPUs are asked for than there are.
    """
    if gpus_per_worker is None:
        # As many workers on each, but for the last, which may have fewer.
        return 1 / -(-workers // len(found)) if found else 0.0
    if gpus_per_worker > 1 and gpus_per_worker != int(gpus_per_worker):
        fail(
            "More than one GPU must be a whole number.", gpus_per_worker=gpus_per_worker
        )
    if _needed(workers, gpus_per_worker) > len(found):
        rule = "`workers` times `gpus_per_worker` must be at most the GPUs there are"
        received = {"workers": workers, "gpus_per_worker": gpus_per_worker}
        fail(f"{rule}, {len(found)}.", **received)
    return float(gpus_per_worker)


def environment(number, workers, share, found, cores=None):
    """Return the variables to set for one worker of several.

    Args:
        number: Integer, which worker it is, from 0.
        workers: Integer, how many there are.
        share: Float, GPUs for each.
        found: List of identifiers of GPUs.
        cores: Integer, of this machine. Defaults to `None`, those this process may use.
    """
    cores = _cores() if cores is None else cores
    threads = str(max(1, cores // workers))
    variables = dict.fromkeys(THREADS, threads)
    if not found:
        return variables
    if share >= 1:
        mine = found[number * int(share) : (number + 1) * int(share)]
    else:
        mine = [found[number // _on_one(share)]] if share else []
    variables["CUDA_VISIBLE_DEVICES"] = ",".join(mine)
    variables["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    variables["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    fraction = round(min(share, 1.0) * USABLE, 4)
    variables["XLA_PYTHON_CLIENT_MEM_FRACTION"] = str(fraction)
    variables["KCOMPONENTS_GPU_FRACTION"] = str(fraction)
    return variables


def _cores():
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    # Not every system tells which.
    return os.cpu_count() or 1


def _on_one(share):
    """Return how many workers share one GPU."""
    return int(1 / share + 1e-9)


def _needed(workers, share):
    return workers * share if share >= 1 else -(-workers // _on_one(share))
