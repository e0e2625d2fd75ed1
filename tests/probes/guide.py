"""The custom `train_step` of the Keras guides, for the current backend."""

import keras


def train_step_of_the_guide(optimizer="optimizer"):
    """Return the methods that the subclass of `keras.Model` overrides, by name.

    The step applies gradients with the optimizer in the attribute `optimizer`.
    """
    methods = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    return methods[keras.backend.backend()](optimizer)


def _updated_metrics(model, loss, y, y_pred):
    for metric in model.metrics:
        if metric.name == "loss":
            metric.update_state(loss)
        else:
            metric.update_state(y, y_pred)
    return {metric.name: metric.result() for metric in model.metrics}


def _tensorflow(optimizer):
    import tensorflow as tf

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred)
        trainable_vars = self.trainable_variables
        gradients = tape.gradient(loss, trainable_vars)
        getattr(self, optimizer).apply(gradients, trainable_vars)
        return _updated_metrics(self, loss, y, y_pred)

    return {"train_step": train_step}


def _torch(optimizer):
    import torch

    def train_step(self, data):
        x, y = data
        self.zero_grad()
        y_pred = self(x, training=True)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        loss.backward()
        trainable_weights = list(self.trainable_weights)
        gradients = [v.value.grad for v in trainable_weights]
        with torch.no_grad():
            getattr(self, optimizer).apply(gradients, trainable_weights)
        return _updated_metrics(self, loss, y, y_pred)

    return {"train_step": train_step}


def _jax(optimizer):
    import jax

    def compute_loss_and_updates(self, trainable, non_trainable, x, y, training=False):
        y_pred, non_trainable = self.stateless_call(
            trainable, non_trainable, x, training=training
        )
        return self.compute_loss(x, y, y_pred), (y_pred, non_trainable)

    def train_step(self, state, data):
        trainable, non_trainable, optimizer_variables, metrics_variables = state
        x, y = data
        grad_fn = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)
        (loss, (y_pred, non_trainable)), grads = grad_fn(
            trainable, non_trainable, x, y, training=True
        )
        if optimizer == "optimizer":
            trainable, optimizer_variables = self.optimizer.stateless_apply(
                optimizer_variables, grads, trainable
            )
        else:
            own = getattr(self, optimizer)
            values = [variable.value for variable in own.variables]
            trainable, _ = own.stateless_apply(values, grads, trainable)
        logs, new_metrics = {}, []
        for metric in self.metrics:
            start = len(new_metrics)
            own = metrics_variables[start : start + len(metric.variables)]
            given = (loss,) if metric.name == "loss" else (y, y_pred)
            own = metric.stateless_update_state(own, *given)
            logs[metric.name] = metric.stateless_result(own)
            new_metrics += own
        return logs, (trainable, non_trainable, optimizer_variables, new_metrics)

    return {
        "compute_loss_and_updates": compute_loss_and_updates,
        "train_step": train_step,
    }
