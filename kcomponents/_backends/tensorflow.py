"""TensorFlow: graphs branch with `tf.cond`; a strategy has one replica per device."""

import contextlib

import keras
import tensorflow as tf
from tensorflow.python.framework import ops as framework_ops

from kcomponents._backends.stateless import unchanged

builds_optimizer_in_step = True
carries_state = False
defers = False
end_of_data = (StopIteration, tf.errors.OutOfRangeError)
repeats_order = True
may_stack_batches = False
max_may_drop_nan = True
worth_stacking = 4096


def sum_over_replicas(grads):
    """Sum each gradient over the replicas of the strategy in scope."""
    context = _replicas()
    given = [g for g in grads if g is not None]
    if not context or not given:
        return grads
    sums = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, given))
    return [None if g is None else next(sums) for g in grads]


def on_first_replica(tensors):
    """Return the tensors on the first replica and zeros on the others.

    Keras sums gradients over the replicas when it applies them. Zeros on the others
    leave them exact, and do not repeat the rows of an embedding.
    """
    context = _replicas()
    if not context:
        return tensors
    first = tf.equal(context.replica_id_in_sync_group, 0)
    return [None if t is None else tf.where(first, t, 0) for t in tensors]


def apply_if_finite(norm, apply, grads, variables, optimizer_variables):
    """Apply the gradients if their norm is finite, in a branch of the graph."""
    context = _replicas()
    finite = tf.math.is_finite(norm)
    if not context or tf.__internal__.distribute.strategy_supports_no_merge_call():
        tf.cond(finite, lambda: apply(grads, variables, norm), lambda: None)
        return

    # Keras applies gradients through `merge_call`, which is not allowed in a branch of
    # a replica: there is one branch across all replicas instead.
    def across(strategy, finite, grads, norm):
        def apply_each():
            arguments = grads, variables, norm
            strategy.extended.call_for_each_replica(apply, args=arguments)

        # The norm of the summed gradients is the same on all replicas.
        [finite, *_] = strategy.experimental_local_results(finite)
        tf.cond(finite, apply_each, lambda: None)

    context.merge_call(across, args=(finite, grads, norm))


def _replicas():
    """Return the replica context if there are several replicas, else None."""
    context = tf.distribute.get_replica_context()
    return context if context and context.num_replicas_in_sync > 1 else None


def scope(model):
    """Return the scope of the model's distribution strategy."""
    return model.distribute_strategy.scope()


def fetch(variables):
    """Return for each variable its values as arrays, one per replica."""
    return [[local.numpy() for local in _locals(v)] for v in variables]


def on_host(variable):
    """Return the value of a variable as an array."""
    return keras.ops.convert_to_numpy(variable.value)


def fill(variables, values):
    """Assign a value to each variable, on every replica."""
    for variable, value in zip(variables, values, strict=True):
        for local in _locals(variable):
            local.assign(value)


def replica_variables(variable):
    """Return the variables with the values of a variable on each replica.

    Batch statistics and metric states differ between replicas.
    """
    found = _locals(variable)
    return found if len(found) > 1 else [variable]


def _locals(variable):
    value = variable.value
    if not isinstance(value, tf.distribute.DistributedValues):
        return [value]
    return value.distribute_strategy.experimental_local_results(value)


def batch_iterator(batches, iterator):
    """Return an iterator over drawn batches that causes no retracing."""
    if isinstance(iterator, tf.distribute.DistributedIterator):
        return None
    spec = iterator.element_spec
    data = tf.data.Dataset.from_generator(lambda: batches, output_signature=spec)
    return iter(data)


def current_graph():
    """Return the graph of the function that is being traced, or None."""
    return tf.compat.v1.get_default_graph() if tf.inside_function() else None


def release_graphs(graphs):
    """Remove the custom gradients of these graphs, which keep the graphs alive.

    TensorFlow never removes a function with a custom gradient, such as Keras's sum of
    gradients over replicas, nor the tensors it refers to.
    """
    registered = framework_ops.gradient_registry._registry
    for graph in graphs:
        for name in _custom_gradients(graph):
            registered.pop(name, None)


def _custom_gradients(graph):
    """Yield the names of custom gradients, including branches and loops.

    Functions that the graph calls are excluded, because they may be called again.
    """
    for operation in graph.get_operations():
        kind = operation.type.removeprefix("Stateless")
        if kind == "IdentityN":
            name = operation.node_def.attr.get("_gradient_op_type")
            yield from [name.s.decode()] if name else []
        elif kind in ("If", "While", "Case"):
            for name in _function_names(operation):
                yield from _custom_gradients(graph._get_function(name).graph)


def _function_names(operation):
    for value in operation.node_def.attr.values():
        for function in (value.func, *value.list.func):
            if function.name:
                yield function.name


def compiled(function):
    """Return the function as a graph for each shape of its arguments."""
    return tf.function(function, autograph=False)


def inference(model, call=None, often=False):
    """Return the model, or `call`, as a function of inputs without side effects.

    It is a graph if it is called `often`, since tracing takes as long as a few eager
    runs, if the model can be traced, and if the user lets it. Operations that only XLA
    has, such as many convolutions with channels first on CPUs, are compiled if the
    model was compiled with `jit_compile`.
    """
    call = call or (lambda x: model(x, training=False))

    def run_once(x):
        with unchanged(model):
            return call(x)

    fused = tf.function(run_once, autograph=False, jit_compile=True)

    def run(x):
        try:
            return run_once(x)
        except tf.errors.UnimplementedError:
            if not model.jit_compile:
                raise
            return fused(x)

    if not often or model.run_eagerly:
        return run
    graph = tf.function(run_once, reduce_retracing=True, autograph=False)
    is_traced = False

    def of_any_length(leaf):
        leaf = tf.convert_to_tensor(leaf)
        return tf.TensorSpec([None, *leaf.shape[1:]] if leaf.shape else [], leaf.dtype)

    def run_graph(x):
        nonlocal graph, is_traced
        try:
            if not is_traced:
                is_traced = True
                # For any number of samples, or it would be traced anew for others;
                # a model may need to know the number.
                with contextlib.suppress(Exception):
                    graph.get_concrete_function(tf.nest.map_structure(of_any_length, x))
            return graph(x)
        except Exception:
            # The model cannot be traced, or it refuses the inputs.
            graph = run
            return run(x)

    return run_graph


def slopes(function, arrays):
    """Return the gradients of a scalar function with respect to its arguments."""
    tensors = [tf.convert_to_tensor(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(*tensors)
    found = tape.gradient(value, tensors, unconnected_gradients="zero")
    return [tf.convert_to_tensor(slope).numpy() for slope in found]


def snapshot(variables, into=None):
    """Return tensors that share memory with variables until these change."""
    return [_read(variable) for variable in variables]


def _read(variable):
    # A variable of TensorFlow has a method of this name.
    value = variable.value if isinstance(variable, keras.Variable) else variable
    try:
        # Much faster than `read_value`, and this is called before each step.
        return tf.raw_ops.ReadVariableOp(resource=value.handle, dtype=value.dtype)
    except (AttributeError, ValueError):
        # A tensor; or with several replicas, the value on the first one.
        return tf.identity(tf.convert_to_tensor(value))


def can_overwrite(values):
    """Return whether a snapshot can reuse the memory of these values."""
    return False


def square_sums(tensors):
    """Return the sum of squares of each tensor, without copies."""
    halves = [tf.nn.l2_loss(tf.cast(t, tf.float32)) for t in tensors]
    return 2.0 * tf.stack(halves)


def trace_level():
    """Return the graph under construction: loops and branches have their own.

    `vectorized_map` builds in the same graph, under a name scope.
    """
    mapped = "loop_body" in tf.get_current_name_scope().split("/")
    return id(tf.compat.v1.get_default_graph()), mapped


def synchronize(model):
    """Do nothing: variables are always up to date."""


def replica():
    """Return the index of the current replica, 0 if there is only one."""
    context = _replicas()
    if context is None:
        return 0
    return int(tf.get_static_value(context.replica_id_in_sync_group) or 0)


def keep_random_state():
    """Return an empty context: all random state is in variables."""
    return contextlib.nullcontext()


def random_state():
    """Return an empty dict: all random state is in variables."""
    return {}


def set_random_state(state):
    """Do nothing."""


def set_training_mode(model):
    """Do nothing: each call of a model has its `training` argument."""


def has_accelerator():
    """Return whether training runs on a GPU or TPU."""
    return any(d.device_type != "CPU" for d in tf.config.list_logical_devices())


def peak_memory():
    """Return the peak memory of the first GPU in bytes, or None without a GPU."""
    if not tf.config.list_logical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def limit_memory(share):
    """Let this process take memory of a GPU only as it needs it."""
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)


def shape_of(function):
    """Return the shape of what a function returns."""
    return tuple(function().shape)


def share_compiled(folder):
    """Do nothing: TensorFlow has no cache of compiled steps."""
