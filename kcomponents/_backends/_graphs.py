"""Graphs that a backend keeps as long as the process lives.

- `graph()`: the graph under construction, or None where there is none.
- `let_go(graphs)`: keep these no longer; nobody takes gradients through them any more.
"""

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    from tensorflow.python.framework import ops

    def graph():
        """Return the graph that a function is being traced into, or None."""
        return tf.compat.v1.get_default_graph() if tf.inside_function() else None

    def let_go(graphs):
        """Forget how their own gradients are computed, and so the graphs.

        A function with a gradient of its own, such as Keras's sum of gradients over
        replicas, is registered for good, together with the tensors around it.
        """
        registered = ops.gradient_registry._registry
        for each in graphs:
            for name in _own_gradients(each):
                registered.pop(name, None)

    def _own_gradients(graph):
        """Yield the names under which they are registered, in branches and loops too.

        Not within functions that are called: these may be called again.
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
        """Return None: graphs go with the functions that they are of."""

    def let_go(graphs):
        """Do nothing."""
