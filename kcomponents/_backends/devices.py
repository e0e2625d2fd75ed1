"""What is asked of accelerators, on each backend."""

import keras


def peak_memory():
    """Return the most bytes that were in use on the first GPU, None without one."""
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
    """Let this process take no more than a share of its GPU's memory.

    Where the backend reads that from its environment, there is nothing left to do.
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
    """Let this process and others that name the same folder compile each step once.

    Does nothing where there is no such cache, or where the user has one already.
    """
    if keras.backend.backend() == "jax":
        import jax

        if jax.config.jax_compilation_cache_dir is None:
            jax.config.update("jax_compilation_cache_dir", folder)
            # Of all, however soon they were compiled: a search makes hundreds.
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
