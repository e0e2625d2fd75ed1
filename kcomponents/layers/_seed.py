"""Random state that a model's file keeps, which that of Keras's layers is not."""


class SavesSeed:
    """Save the state of `seed_generator` with the weights, so that draws go on."""

    def save_own_variables(self, store):
        super().save_own_variables(store)
        if self._seed_state() is not None:
            store["seed_generator_state"] = self._seed_state().numpy()

    def load_own_variables(self, store):
        # Absent from the weights of Keras's layers, whose place ours may take.
        if "seed_generator_state" in store and self._seed_state() is not None:
            self._seed_state().assign(store["seed_generator_state"])

    def _seed_state(self):
        generator = getattr(self, "seed_generator", None)
        return None if generator is None else generator.state
