"""Graphs that a backend keeps until the process ends.

- `graph()`: the graph under construction, or None.
- `let_go(graphs)`: release graphs; no gradients are computed through them later.
"""

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    from tensorflow.python.framework import ops

    def graph():
        """Return the graph of the function that is being traced, or None."""
        return tf.compat.v1.get_default_graph() if tf.inside_function() else None

    def let_go(graphs):
        """Remove the custom gradients of these graphs, which keep the graphs alive.

        TensorFlow never removes a function with a custom gradient, such as Keras's sum
        of gradients over replicas, nor the tensors it refers to.
        """
        registered = ops.gradient_registry._registry
        for each in graphs:
            for name in _own_gradients(each):
                registered.pop(name, None)

    def _own_gradients(graph):
        """Yield the names of custom gradients, including branches and loops.

        Functions that the graph calls are excluded, because they may be called again.
        """
        for operation in graph.get_operations():
            kind = operation.type.removeprefix("Stateless")
            if kind == "IdentityN":
                given = operation.node_def.attr.get("_gradient_op_type")
                yield from [given.s.decode()] if given else []
            elif kind in ("If", "While", "Case"):
                for name in _functions(operation):
                    yield from _own_gradients(graph._get_function(name).graph)

    def _functions(operation):
        for value in operation.node_def.attr.values():
            for function in (value.func, *value.list.func):
                if function.name:
                    yield function.name

else:

    def graph():
        """Return None: graphs are released together with their functions."""

    def let_go(graphs):
        """Do nothing."""


# Functions of tensors, compiled where the backend compiles.
#
# - `compiled(function)`: the same function of tensors, or lists and dicts of tensors,
# without gradients. Side effects happen when it is traced, or at each call.

if keras.backend.backend() == "jax":
    import jax

    def compiled(function):
        """Return the function, compiled for each shape of its arguments."""
        return jax.jit(function)

elif keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    def compiled(function):
        """Return the function as a graph for each shape of its arguments."""
        return tf.function(function, autograph=False)

else:
    import torch

    def compiled(function):
        """Return the function without gradients; PyTorch compiles nothing."""
        return torch.no_grad()(function)
