"""The device of a process: chosen before its backend is imported, and named after."""

import functools
import importlib.metadata
import os
import pathlib
import platform
import shutil
import subprocess

BACKENDS = ["jax", "torch", "tensorflow"]
# A part whose results are compared computes deterministically, and compiles faster
# without the search for the fastest kernels. The others run as users run them.
EXACT = {
    "XLA_FLAGS": "--xla_gpu_deterministic_ops=true --xla_gpu_autotune_level=0",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
# Several processes share the GPU.
SHARED = {
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}
HIDDEN = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
# Small sizes on a CPU gain nothing by threads, nor by programs that take long to make.
TRIAL = {"OMP_NUM_THREADS": "1", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}


def environment(backend, device, exact, flags=True):
    """Return the environment variables of a process.

    Args:
        backend: String, the name of the backend.
        device: `"gpu"` or `"cpu"`, which hides the GPUs.
        exact: Boolean, whether results are compared.
        flags: Boolean, whether XLA knows the flags that make it deterministic.
    """
    own = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", **SHARED}
    if exact:
        own |= EXACT
        own["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {own['XLA_FLAGS']}"
    if not flags:
        own["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "")
    return own | (HIDDEN | TRIAL if device == "cpu" else {})


def compute_exactly():
    """Let the backend compute deterministically, and float32 without TensorFloat-32."""
    backend = os.environ["KERAS_BACKEND"]
    if backend == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "highest")
    elif backend == "torch":
        import torch

        torch.use_deterministic_algorithms(True)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False
    elif accelerator():
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(False)
        tf.config.experimental.enable_op_determinism()


@functools.cache
def accelerator():
    """Return the name of the GPU that the backend sees, or None."""
    backend = os.environ["KERAS_BACKEND"]
    if backend == "jax":
        import jax

        first = jax.local_devices()[0]
        return None if first.platform == "cpu" else first.device_kind
    if backend == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else None
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = gpus and tf.config.experimental.get_device_details(gpus[0])
    return details.get("device_name", "GPU") if gpus else None


def driver():
    """Return the version of the driver, or None."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    asked = subprocess.run(command, capture_output=True, text=True)
    return (asked.stdout.split() or [None])[0] if asked.returncode == 0 else None


def processor():
    """Return the name of the processor, and the number of its cores."""
    name, info = platform.machine(), pathlib.Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.is_file() else []:
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
            break
    return f"{name}, {os.cpu_count()} cores"


def versions():
    """Return the versions of all that the results depend on, by name."""
    import keras

    import kcomponents

    backend = keras.backend.backend()
    found = {
        "device": accelerator() or processor(),
        "driver": driver() if accelerator() else None,
        backend: importlib.metadata.version(backend),
        "Keras": keras.__version__,
        "kcomponents": kcomponents.__version__,
        "Python": platform.python_version(),
    }
    return {name: value for name, value in found.items() if value}
