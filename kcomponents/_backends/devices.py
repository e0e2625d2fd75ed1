"""Memory and compilation of accelerators, on each backend."""

import keras


def peak_memory():
    """Return the peak memory of the first GPU in bytes, or None without a GPU."""
    name = keras.backend.backend()
    if name == "torch":
        import torch

        return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    if name == "jax":
        import jax

        found = jax.local_devices()[0].memory_stats() or {}
        return found.get("peak_bytes_in_use")
    import tensorflow as tf

    if not tf.config.list_logical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def limit_memory(share):
    """Limit this process to a fraction of the memory of its GPU.

    JAX reads the limit from the environment instead.
    """
    if keras.backend.backend() == "torch":
        import torch

        if torch.cuda.is_available():
            torch.cuda.set_per_process_memory_fraction(share)
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        for device in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(device, True)


def share_compiled(folder):
    """Share compiled steps between the processes that use the same folder.

    Does nothing if the backend has no such cache, or the user has set one.
    """
    if keras.backend.backend() == "jax":
        import jax

        if jax.config.jax_compilation_cache_dir is None:
            jax.config.update("jax_compilation_cache_dir", folder)
            # Cache quickly compiled steps too: a search has hundreds of them.
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
