"""Skill: how far an output got from a constant prediction to zero error."""

import functools
import math

FAILS = 0.1
ACCURACIES = (
    "accuracy",
    "acc",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
)


class Skill:
    """The skill of one output: 0 for the best constant prediction, 1 for no error."""

    def __init__(self, case, output):
        self.case, self.output, self.name = case, output, output["name"]
        self.classifies = output["task"] != "regression"

    @functools.cached_property
    def before(self):
        """The skill before training, or None."""
        return self._of(self.case.before[0]) if self.case.before else None

    @functools.cached_property
    def curve(self):
        """The skill at each reading of the run; None where there is no number."""
        return [self._of(reading) for reading in self.case.looks]

    @functools.cached_property
    def end(self):
        """The skill at the end; the better of inference and training mode."""
        found = [value for value in self.curve if value is not None]
        if not found:
            return 0.0 if self.case.nonfinite else math.nan
        last = found[-1]
        return max(last, self._in_training()) if self._normalizes else last

    @functools.cached_property
    def lost(self):
        """The skill on training data minus that on validation data, None if unknown.

        Both come from the logs of the last epoch, as accuracy or as loss.
        """
        last = self.case.record.logs[-1] if self.case.record.logs else {}
        base, baseline = (
            self.output.get(f"baseline_{name}") for name in ("accuracy", "loss")
        )
        shown = [key for key in ACCURACIES if f"val_{key}" in last]
        if self.classifies and shown and base and base < 1:
            own = [last.get(shown[0]), self.case.last("sample_accuracy").get(self.name)]
            best = max(value for value in [0.0, *own] if value is not None)
            pair = [
                (value - base) / (1 - base) for value in (best, last[f"val_{shown[0]}"])
            ]
        elif baseline and "val_loss" in last:
            own = [last.get("loss"), self.case.last("sample_loss").get(self.name)]
            least = min(value for value in [math.inf, *own] if value is not None)
            pair = [1 - value / baseline for value in (least, last["val_loss"])]
        else:
            return None
        return min(pair[0], 1.0) - max(pair[1], 0.0)

    @property
    def best(self):
        """The highest skill so far."""
        return max([v for v in self.curve if v is not None], default=0.0)

    @property
    def goal(self):
        """The skill of simple models on the same data; 0 if unknown."""
        known = self.output.get("reachable")
        if known:
            return min(max(known["best"], 0.0), 1.0)
        if self._tiny and self.classifies:
            return 1.0
        return 0.0

    @property
    def linear(self):
        """The skill of a linear model; 0 if unknown."""
        known = self.output.get("reachable")
        return max(known["linear"], 0.0) if known else 0.0

    @property
    def fails(self):
        """Whether the skill is below a tenth."""
        # A skill of NaN is unknown, and compares as False.
        return self.end < FAILS

    @property
    def short(self):
        """Whether the skill is far below that of simple models."""
        if math.isnan(self.end):
            return False
        margin = max(0.12, 0.2 * self.goal) + 2 * self._error
        return self.end < self.goal - margin

    @property
    def improving(self):
        """Whether the last third of the run still improved the model."""
        found = [value for value in self.curve if value is not None]
        losses = self.case.losses
        if len(found) >= 3:
            earlier = found[-1 - max(1, len(found) // 3)]
            if found[-1] - earlier > 0.03:
                return True
        if len(losses) < 3:
            # Too few epochs to compare: a short run counts as still improving.
            return self.case.steps < 300
        if all(map(math.isfinite, losses)):
            earlier = losses[-1 - max(1, len(losses) // 3)]
            return losses[-1] < earlier - 0.02 * abs(losses[0])
        return False

    @property
    def _tiny(self):
        """Whether there are so few distinct samples that a model can memorize them."""
        data = self.case.data
        rows = data.get("rows") or data.get("sampled") or 0
        distinct = [i.get("distinct", 0) for i in self.case.inputs]
        return 0 < rows < 40 and max(distinct, default=0) >= rows

    @property
    def _error(self):
        """The standard error of the skill, given the number of samples."""
        rows = min(self.case.data.get("sampled") or 512, 512)
        base = self.output.get("baseline_accuracy")
        if not self.classifies or not base or base >= 1 or self._tiny:
            return 0.0
        return math.sqrt(base * (1 - base) / max(rows, 1)) / (1 - base)

    @functools.cached_property
    def _normalizes(self):
        # In inference it uses moving averages, which lag behind.
        return bool(self.case.holds("BatchNormalization"))

    def _in_training(self):
        """Return the skill by the logs of the last epoch."""
        last = self.case.record.logs[-1] if self.case.record.logs else {}
        found = [0.0]
        base = self.output.get("baseline_accuracy")
        if self.classifies and base and base < 1 and len(self.case.outputs) == 1:
            shown = [last[key] for key in ACCURACIES if key in last]
            found += [(value - base) / (1 - base) for value in shown]
        elif self.output.get("baseline_loss") and len(self.case.outputs) == 1:
            found.append(1 - last.get("loss", math.inf) / self.output["baseline_loss"])
        return max(value for value in found if not math.isnan(value))

    def _of(self, reading):
        def seen(statistic):
            return reading.values.get(f"sample_{statistic}", {}).get(self.name)

        found = []
        base, accuracy = self.output.get("baseline_accuracy"), seen("accuracy")
        if accuracy is not None and base is not None and base < 1:
            found.append((accuracy - base) / (1 - base))
        baseline, loss = self.output.get("baseline_loss"), seen("loss")
        if loss is not None and baseline:
            found.append(1 - loss / baseline)
        if not self.classifies and seen("error") is not None:
            found.append(1 - seen("error"))
        finite = [value for value in found if math.isfinite(value)]
        if len(finite) == 2 and abs(finite[1]) < 0.03 and finite[0] < 0.3:
            # Nearly constant predictions: their accuracy is chance.
            return finite[1]
        return max(finite) if finite else None


# Case: a record with the properties and methods that rules read.

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
