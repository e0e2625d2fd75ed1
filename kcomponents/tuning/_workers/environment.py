"""Environment variables of workers, set before their backend is imported."""

import os
import shutil
import subprocess

from kcomponents._checks import fail

# They limit the threads of the libraries that compute.
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    # For XLA on CPUs.
    "NPROC",
)
# Part of a GPU's memory for models; the driver needs the rest.
USABLE = 0.9


def visible_gpus():
    """Return the identifiers of the GPUs that this process may use, as strings."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name and name != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    lines = listing.stdout.splitlines() if listing.returncode == 0 else []
    return [str(number) for number, _ in enumerate(lines)]


def share_of(workers, gpus_per_worker, gpus):
    """Return the number of GPUs for each worker, which may be a fraction.

    Raises:
        ValueError: If there are too few GPUs.
    """
    if gpus_per_worker is None:
        # The same number of workers on each GPU; the last may have fewer.
        return 1 / -(-workers // len(gpus)) if gpus else 0.0
    if gpus_per_worker > 1 and gpus_per_worker != int(gpus_per_worker):
        fail(
            "`gpus_per_worker` above 1 must be a whole number.",
            gpus_per_worker=gpus_per_worker,
        )
    if _gpu_count(workers, gpus_per_worker) > len(gpus):
        rule = "`workers` times `gpus_per_worker` must be at most the number of GPUs"
        received = {"workers": workers, "gpus_per_worker": gpus_per_worker}
        fail(f"{rule}, {len(gpus)}.", **received)
    return float(gpus_per_worker)


def environment(number, workers, share, gpus, cores=None):
    """Return the environment variables of one worker.

    Args:
        number: Integer, index of the worker, from 0.
        workers: Integer, number of workers.
        share: Float, GPUs per worker.
        gpus: List of strings, identifiers of the GPUs.
        cores: Integer, cores to share. Defaults to `None`, those of this process.
    """
    cores = _cores() if cores is None else cores
    threads = str(max(1, cores // workers))
    variables = dict.fromkeys(THREADS, threads)
    if not gpus:
        return variables
    if share >= 1:
        own = gpus[number * int(share) : (number + 1) * int(share)]
    else:
        own = [gpus[number // _workers_per_gpu(share)]] if share else []
    variables["CUDA_VISIBLE_DEVICES"] = ",".join(own)
    variables["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    variables["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    fraction = round(min(share, 1.0) * USABLE, 4)
    variables["XLA_PYTHON_CLIENT_MEM_FRACTION"] = str(fraction)
    variables["KCOMPONENTS_GPU_FRACTION"] = str(fraction)
    return variables


def _cores():
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    # macOS and Windows have no `sched_getaffinity`.
    return os.cpu_count() or 1


def _workers_per_gpu(share):
    """Return the number of workers that share one GPU."""
    return int(1 / share + 1e-9)


def _gpu_count(workers, share):
    return workers * share if share >= 1 else -(-workers // _workers_per_gpu(share))
