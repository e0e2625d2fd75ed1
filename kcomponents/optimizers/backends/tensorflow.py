"""TensorFlow: graphs decide with `tf.cond`, strategies run one replica a device."""

import tensorflow as tf


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

    Keras sums gradients over the replicas when it applies them: so it gets them as
    they are, without a rounding, and without rows of an embedding given twice.
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

    # Keras applies gradients through `merge_call`, which a branch within a replica may
    # not hold: the branch is taken once, across all of them.
    def across(strategy, finite, grads, norm):
        def apply_each():
            arguments = grads, variables, norm
            strategy.extended.call_for_each_replica(apply, args=arguments)

        # The norm is that of the summed gradients, so all replicas agree.
        [finite, *_] = strategy.experimental_local_results(finite)
        tf.cond(finite, apply_each, lambda: None)

    context.merge_call(across, args=(finite, grads, norm))


def _replicas():
    """Return the context of a replica among several, else None."""
    context = tf.distribute.get_replica_context()
    return context if context and context.num_replicas_in_sync > 1 else None
