"""Case: a record as rules read it."""

import functools
import math

from kcomponents.doctor._skill import Skill

# The spread over samples of an output that has collapsed, relative to its size.
COLLAPSED = 0.02
# The skill in training mode that inference lacks.
LOST = 0.3
# A first loss that is so many times that of a constant prediction is a bad start.
BAD_START = 1.5
# With fewer samples, it says nothing that they look alike.
FEWEST_SCORED = 8
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
    """A run: its model, data and settings, its course, and whether it went badly.

    Args:
        record: `kcomponents.record.Record` of the run.
    """

    def __init__(self, record):
        self.record = record
        self.structure = record.structure
        self.layers = [LAYER | la for la in self.structure.get("layers") or []]
        self.optimizer = self.structure.get("optimizer") or {}
        self.data = self.structure.get("data") or {}
        self.fit = self.structure.get("fit") or {}
        self.initial = self.structure.get("initial") or {}
        # Path → facts of each layer with weights in a forward pass before training.
        self.first_pass = self.data.get("layers") or {}
        self.ended = self.structure.get("ended") or {}
        self.inputs = [INPUT | facts for facts in self.data.get("inputs") or []]
        outputs = [o for o in self.data.get("outputs") or [] if o.get("units")]
        self.outputs = [OUTPUT | {"target": {}} | facts for facts in outputs]
        # The first reading is of the sample alone, before training.
        first = record.readings[:1]
        untrained = [r for r in first if r.step == 0 and "batches" not in r.values]
        self.untrained = untrained[0] if untrained else None
        self.readings = record.readings[len(untrained) :]

    # What the record holds.

    @property
    def trained(self):
        """Whether the record has a reading of at least one epoch."""
        return bool(self.readings)

    @functools.cached_property
    def losses(self):
        """The loss of each epoch; a `train_step` may give it another name.

        The `loss` of Keras stays 0 if a `train_step` returns it without updating it.
        """
        names = [n for n in self.last_logs if "loss" in n and not n.startswith("val_")]
        for name in ("loss", *names):
            found = [entry[name] for entry in self.record.logs if name in entry]
            if any(found):
                return found
        return [entry["loss"] for entry in self.record.logs if "loss" in entry]

    @functools.cached_property
    def val_losses(self):
        """The validation loss of each epoch that has one."""
        return [entry["val_loss"] for entry in self.record.logs if "val_loss" in entry]

    def loss_fell(self, share):
        """Return whether the loss fell by more than a share of the first one."""
        losses = [loss for loss in self.losses if math.isfinite(loss)]
        return len(losses) > 1 and losses[0] - losses[-1] > share * abs(losses[0])

    @property
    def untrained_loss(self):
        """The loss of the sample before training, None if it is not known."""
        values = self.untrained.values if self.untrained else {}
        losses = list(values.get("sample_loss", {}).values())
        return losses[0] if len(losses) == 1 else None

    @property
    def last_logs(self):
        """The logs of the last epoch, `{}` if there is none."""
        return self.record.logs[-1] if self.record.logs else {}

    def last(self, statistic):
        """Return path → number of a statistic in the last reading that has it."""
        for reading in reversed(self.record.readings):
            if statistic in reading.values:
                return reading.values[statistic]
        return {}

    def history(self, statistic, path="all"):
        """Return the numbers of a statistic in all readings of the run."""
        found = [r.values.get(statistic, {}).get(path) for r in self.readings]
        return [value for value in found if value is not None]

    @functools.cached_property
    def steps(self):
        """The number of optimizer steps so far, as far as it is known."""
        counted = sum(self.history("steps"))
        return int(max([counted, *(r.step for r in self.readings)], default=0))

    @property
    def batches(self):
        """The number of batches so far; steps of other optimizers are not counted."""
        of_epoch = self.fit.get("steps") or 0
        return max(self.steps, of_epoch * len(self.record.logs))

    @property
    def learning_rate(self):
        """The learning rate, None if it is a schedule or unknown."""
        found = (self.optimizer.get("config") or {}).get("learning_rate")
        return found if isinstance(found, float | int) else None

    @functools.cached_property
    def kernels(self):
        """Path → shape of trainable variables of rank 2 or more, without embeddings."""
        tables = tuple(f"{la['path']}/" for la in self.layers_of("Embedding"))
        variables = self.structure.get("variables") or []
        wanted = [v for v in variables if v["trainable"] and len(v["shape"]) > 1]
        return {
            v["path"]: v["shape"]
            for v in wanted
            if not tables or not v["path"].startswith(tables)
        }

    @functools.cached_property
    def movement(self):
        """Path → distance of a kernel from its start, relative to its size."""
        return {
            path: d for path, d in self.last("moved").items() if path in self.kernels
        }

    @property
    def enough_scored(self):
        """Whether the model was run on enough samples to compare them."""
        return self.data.get("scored", FEWEST_SCORED) >= FEWEST_SCORED

    @functools.cached_property
    def first_layers(self):
        """The facts of the layers with weights that meet the inputs themselves."""
        found = list(self.first_pass.values())
        return found[:1]

    @functools.cached_property
    def normalized(self):
        """Whether a layer normalizes the inputs before the first weights."""
        for layer in self.layers:
            if layer["class"] in NORMALIZING:
                return True
            if layer["class"] == "Embedding" and any(map(is_picture, self.inputs)):
                # It takes another input, such as a step in time.
                continue
            if layer["class"] in ("Embedding", "Lambda") or layer["parameters"]:
                return layer["class"] in ("Embedding", "Lambda")
        return False

    def layers_of(self, *classes):
        """Return the layers of these classes."""
        return [layer for layer in self.layers if layer["class"] in classes]

    # How the run went.

    @functools.cached_property
    def skills(self):
        """The skill of each output whose task is known."""
        known = [o for o in self.outputs if o.get("task", "unknown") != "unknown"]
        found = [Skill(self, output) for output in known]
        return [skill for skill in found if skill.is_sure]

    @property
    def unjudged(self):
        """Whether no score says how well the model does."""
        return self.trained and not self.judged

    @property
    def judged(self):
        """Whether a score says how well the model does."""
        return any(not math.isnan(skill.final) for skill in self.skills)

    @property
    def differs_in_inference(self):
        """Whether the model does well in training mode only, on the same samples."""
        return any(skill.lost_in_inference > LOST for skill in self.skills)

    @functools.cached_property
    def falls_on_one_point(self):
        """Name of an output that became the same for all samples, or None."""
        for output in self.outputs if self.enough_scored else ():
            spreads = self.relative_spreads(output["name"])
            if len(spreads) > 1 and spreads[-1] < min(COLLAPSED, spreads[0] / 3):
                return output["name"]
        return None

    def relative_spreads(self, name):
        """Return how much an output varies over samples, by its size, per reading."""
        found = []
        for reading in self.record.readings:
            spread = reading.values.get("sample_spread", {}).get(name)
            size = reading.values.get("sample_size", {}).get(name)
            if spread is not None and size:
                found.append(spread / size)
        return found

    @property
    def starts_badly(self):
        """Whether the loss began far above that of a constant prediction."""
        baseline = self.data.get("baseline_loss")
        if not baseline or not self.losses or not self.skills:
            return False
        early = max(self.losses[0], self.untrained_loss or 0.0)
        best = min(skill.final for skill in self.skills)
        return early > BAD_START * baseline and best < 0.9

    @property
    def may_train_badly(self):
        """Whether the model trains badly, or nothing says that it does not."""
        return self.trains_badly or self.unjudged or self.differs_in_inference

    @property
    def worst_skill(self):
        """The skill of the output farthest behind simple models, or None."""
        return min(self.skills, key=lambda s: s.final - s.reachable, default=None)

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
    def at_chance(self):
        """Whether an output does no better than a constant prediction."""
        return self.trained and any(skill.at_chance for skill in self.skills)

    @property
    def underfits(self):
        """Whether an output stays far behind simple models."""
        return self.trained and any(skill.underfits for skill in self.skills)

    @property
    def trains_badly(self):
        """Whether there is NaN, or an output at chance or far behind simple models."""
        return self.nonfinite or self.at_chance or self.underfits

    @functools.cached_property
    def gap(self):
        """The share of the skill that is lost on validation data, None if unknown.

        Of several outputs, the largest.
        """
        gaps = [skill.gap for skill in self.skills]
        return max((gap for gap in gaps if gap is not None), default=None)


def is_picture(facts):
    """Return whether an input has rows, columns and channels, as no ids have."""
    return len(facts["shape"]) > 2
