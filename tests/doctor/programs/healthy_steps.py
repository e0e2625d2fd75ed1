"""Healthy programs whose steps are written by hand: `train_step`, a GAN, a loop."""

import keras
import numpy as np
from keras import layers, ops

from tests.probes.guide import train_step_of_the_guide

from . import program
from .healthy_data import smooth


@program()
def own_train_step(callbacks):
    """The train_step that the guide of the backend shows."""
    x, y = smooth(1000, seed=12)
    kind = type("GuideModel", (keras.Model,), train_step_of_the_guide())
    inputs = keras.Input((4,))
    hidden = layers.Dense(64, activation="relu")(inputs)
    model = kind(inputs, layers.Dense(1)(hidden))
    model.compile(keras.optimizers.Adam(0.01), loss="mse", metrics=["mae"])
    model.fit(x, y, epochs=25, callbacks=callbacks, verbose=0)
    return model


class TwoViews(keras.Model):
    """Contrastive learning: two noisy views of a row shall meet, all others not."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(32, activation="relu")
        self.projection = layers.Dense(8)

    def call(self, inputs):
        return self.projection(self.hidden(inputs))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **kwargs):
        first, second = (ops.normalize(view) for view in (y_pred, self(y)))
        likeness = ops.matmul(first, ops.transpose(second)) / 0.1
        own = ops.arange(ops.shape(likeness)[0])
        loss = keras.losses.sparse_categorical_crossentropy
        return ops.mean(loss(own, likeness, from_logits=True))


@program()
def contrastive_views(callbacks):
    """No labels, no loss at compile; the loss starts near log of the batch's size."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(800, 6))
    views = x + 0.05 * generator.normal(size=(2, 800, 6))
    first, second = views.astype("float32")
    model = TwoViews()
    model.compile(optimizer=keras.optimizers.Adam(0.005))
    model.fit(first, second, epochs=15, batch_size=32, callbacks=callbacks, verbose=0)
    return model


class Gan(keras.Model):
    """A generator of points and a critic, both updated in one step."""

    def __init__(self):
        super().__init__()
        self.critic = keras.Sequential(
            [keras.Input((2,)), layers.Dense(48, "leaky_relu"), layers.Dense(1)]
        )
        self.maker = keras.Sequential(
            [keras.Input((2,)), layers.Dense(24, "relu"), layers.Dense(2)]
        )
        self.parts = [
            keras.metrics.Mean(name="critic_loss"),
            keras.metrics.Mean(name="maker_loss"),
        ]
        self.built = True

    @property
    def metrics(self):
        return self.parts

    def call(self, noise):
        return self.maker(noise)

    def losses_of(self, critic, made, real):
        judged, told = critic(real), critic(made)
        crossentropy = keras.losses.BinaryCrossentropy(from_logits=True)
        is_real = crossentropy(ops.ones_like(judged), judged)
        is_made = crossentropy(ops.zeros_like(told), told)
        return is_real + is_made, crossentropy(ops.ones_like(told), told)

    def finish(self, gradients, losses):
        variables = [*self.critic.trainable_variables, *self.maker.trainable_variables]
        self.optimizer.apply(gradients, variables)
        for part, loss in zip(self.parts, losses, strict=True):
            part.update_state(loss)
        return {part.name: part.result() for part in self.parts}


class TensorFlowGan(Gan):
    def train_step(self, data):
        import tensorflow as tf

        real, noise = data
        with tf.GradientTape(persistent=True) as tape:
            losses = self.losses_of(self.critic, self.maker(noise), real)
        gradients = tape.gradient(losses[0], self.critic.trainable_variables)
        gradients += tape.gradient(losses[1], self.maker.trainable_variables)
        return self.finish(gradients, losses)


class TorchGan(Gan):
    def train_step(self, data):
        import torch

        real, noise = data
        losses = self.losses_of(self.critic, self.maker(noise), real)
        critic = [variable.value for variable in self.critic.trainable_variables]
        maker = [variable.value for variable in self.maker.trainable_variables]
        gradients = torch.autograd.grad(losses[0], critic, retain_graph=True)
        gradients += torch.autograd.grad(losses[1], maker)
        with torch.no_grad():
            return self.finish(gradients, losses)


class JaxGan(Gan):
    def both(self, critic, maker, real, noise, which):
        made = self.maker.stateless_call(maker, [], noise)[0]
        losses = self.losses_of(
            lambda points: self.critic.stateless_call(critic, [], points)[0], made, real
        )
        return losses[which], losses

    def train_step(self, state, data):
        import jax

        weights, others, slots, sums = state
        count = len(self.critic.trainable_variables)
        arguments = weights[:count], weights[count:], *data
        step = jax.grad(self.both, 0, has_aux=True)
        critic, losses = step(*arguments, 0)
        maker, _ = jax.grad(self.both, 1, has_aux=True)(*arguments, 1)
        weights, slots = self.optimizer.stateless_apply(
            slots, [*critic, *maker], weights
        )
        logs, kept = {}, []
        for part, loss in zip(self.parts, losses, strict=True):
            own = sums[len(kept) : len(kept) + len(part.variables)]
            own = part.stateless_update_state(own, loss)
            logs[part.name] = part.stateless_result(own)
            kept += own
        return logs, (weights, others, slots, kept)


@program()
def gan(callbacks):
    """A GAN on a cloud of points: neither loss falls, and the points become right."""
    generator = np.random.default_rng(0)
    real = [1.5, -1.0] + [0.5, 0.8] * generator.normal(size=(1000, 2))
    noise = generator.normal(size=(1000, 2))
    kinds = {"tensorflow": TensorFlowGan, "torch": TorchGan, "jax": JaxGan}
    model = kinds[keras.backend.backend()]()
    rate = keras.optimizers.schedules.CosineDecay(0.005, decay_steps=20 * 32)
    model.compile(keras.optimizers.Adam(rate, beta_1=0.5))
    model.optimizer.build(model.trainable_variables)
    real, noise = real.astype("float32"), noise.astype("float32")
    model.fit(real, noise, epochs=20, callbacks=callbacks, verbose=0)
    return model
