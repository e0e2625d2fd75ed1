"""Case: a record with the properties and methods that rules read."""

import functools
import math

from kcomponents.doctor._skill import Skill

NORMALIZING = {
    "BatchNormalization",
    "GroupNormalization",
    "LayerNormalization",
    "Normalization",
    "RMSNormalization",
    "Rescaling",
    "UnitNormalization",
}


# Defaults for facts that a record from another program may lack.
OUTPUT = {
    "name": "output",
    "activation": None,
    "loss": None,
    "from_logits": False,
    "task": "unknown",
}
INPUT = {"name": "input", "dtype": "", "shape": []}
LAYER = {"path": "", "class": "", "activation": None, "parameters": 0}


class Case:
    """A run: its model, data and settings, its course, and whether it went badly."""

    def __init__(self, record):
        self.record = record
        self.structure = record.structure
        self.layers = [LAYER | la for la in self.structure.get("layers") or []]
        self.optimizer = self.structure.get("optimizer") or {}
        self.data = self.structure.get("data") or {}
        self.fit = self.structure.get("fit") or {}
        self.initial = self.structure.get("initial") or {}
        self.inputs = [INPUT | facts for facts in self.data.get("inputs") or []]
        given = self.data.get("outputs") or []
        known = [facts for facts in given if facts.get("units")]
        self.outputs = [OUTPUT | {"target": {}} | facts for facts in known]
        # The first reading is of the sample alone, before training.
        first = record.readings[:1]
        self.before = [r for r in first if r.step == 0 and "batches" not in r.values]
        self.looks = record.readings[len(self.before) :]

    @functools.cached_property
    def skills(self):
        """The skill of each output whose task is known."""
        known = [o for o in self.outputs if o.get("task", "unknown") != "unknown"]
        return [Skill(self, output) for output in known]

    @property
    def trained(self):
        """Whether the record has a reading of at least one epoch."""
        return bool(self.looks)

    @functools.cached_property
    def losses(self):
        """The loss of each epoch."""
        return [entry["loss"] for entry in self.record.logs if "loss" in entry]

    @functools.cached_property
    def val_losses(self):
        """The validation loss of each epoch that has one."""
        return [entry["val_loss"] for entry in self.record.logs if "val_loss" in entry]

    @functools.cached_property
    def nonfinite(self):
        """Whether loss, weights or outputs are NaN or infinite at the end."""
        lost = self.losses and not math.isfinite(self.losses[-1])
        if lost or not self.trained:
            return bool(lost)
        outputs = self.last("sample_nonfinite").values()
        weights = self.last("weight_norm").values()
        return any(s > 0 for s in outputs) or not all(map(math.isfinite, weights))

    @property
    def fails(self):
        """Whether an output does no better than a constant prediction."""
        return self.trained and any(skill.fails for skill in self.skills)

    @property
    def short(self):
        """Whether an output stays far behind simple models."""
        return self.trained and any(skill.short for skill in self.skills)

    @property
    def harm(self):
        """Whether the run went badly: NaN, no learning, or far behind simple models."""
        return self.nonfinite or self.fails or self.short

    @functools.cached_property
    def gap(self):
        """The share of the skill that is lost on validation data, None if unknown."""
        if len(self.outputs) != 1 or not self.skills:
            return None
        return self.skills[0].lost

    @property
    def worst(self):
        """The skill of the output farthest behind simple models, or None."""
        found = sorted(self.skills, key=lambda skill: skill.end - skill.goal)
        return found[0] if found else None

    def last(self, statistic):
        """Return path → number of a statistic in the last reading that has it."""
        for reading in reversed(self.record.readings):
            if statistic in reading.values:
                return reading.values[statistic]
        return {}

    def over(self, statistic, path="all"):
        """Return the numbers of a statistic over all readings of the run."""
        found = [r.values.get(statistic, {}).get(path) for r in self.looks]
        return [value for value in found if value is not None]

    @functools.cached_property
    def steps(self):
        """The number of optimizer steps so far, as far as it is known."""
        counted = sum(self.over("steps")) if self.over("steps") else 0
        return int(max([counted, *(r.step for r in self.looks)], default=0))

    @functools.cached_property
    def kernels(self):
        """Path → shape of trainable variables of rank 2 or more, without embeddings."""
        tables = tuple(
            f"{layer['path']}/"
            for layer in self.layers
            if layer["class"] == "Embedding"
        )
        variables = self.structure.get("variables") or []
        wanted = [v for v in variables if v["trainable"] and len(v["shape"]) > 1]
        return {
            v["path"]: v["shape"]
            for v in wanted
            if not tables or not v["path"].startswith(tables)
        }

    @functools.cached_property
    def normalized(self):
        """Whether a layer normalizes the inputs before the first weights."""
        for layer in self.layers:
            if layer["class"] in NORMALIZING:
                return True
            if layer["class"] in ("Embedding", "Lambda") or layer["parameters"]:
                return layer["class"] in ("Embedding", "Lambda")
        return False

    @property
    def rate(self):
        """The learning rate, None if it is a schedule or unknown."""
        found = (self.optimizer.get("config") or {}).get("learning_rate")
        return found if isinstance(found, float | int) else None

    def holds(self, *classes):
        """Return the layers of these classes."""
        return [layer for layer in self.layers if layer["class"] in classes]
