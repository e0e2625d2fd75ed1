"""A mixin that saves a layer's random state, which Keras's layers do not save."""


class SavesSeed:
    """Save the state of `seed_generator` with the weights, and restore it."""

    def save_own_variables(self, store):
        super().save_own_variables(store)
        if self._seed_state() is not None:
            store["seed_generator_state"] = self._seed_state().numpy()

    def load_own_variables(self, store):
        # The state is missing in files written by the corresponding Keras layer.
        if "seed_generator_state" in store and self._seed_state() is not None:
            self._seed_state().assign(store["seed_generator_state"])

    def _seed_state(self):
        generator = getattr(self, "seed_generator", None)
        return None if generator is None else generator.state
