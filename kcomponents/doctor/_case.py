"""Case: a record as rules read it, and the skill of each of its outputs."""

import functools
import math

# A skill below this is that of a constant prediction.
CHANCE = 0.1
ACCURACIES = (
    "accuracy",
    "acc",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
)
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
        """The loss of each epoch."""
        return [entry["loss"] for entry in self.record.logs if "loss" in entry]

    @functools.cached_property
    def val_losses(self):
        """The validation loss of each epoch that has one."""
        return [entry["val_loss"] for entry in self.record.logs if "val_loss" in entry]

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
    def normalized(self):
        """Whether a layer normalizes the inputs before the first weights."""
        for layer in self.layers:
            if layer["class"] in NORMALIZING:
                return True
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
        return [Skill(self, output) for output in known]

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
        """The share of the skill that is lost on validation data, None if unknown."""
        if len(self.outputs) != 1 or not self.skills:
            return None
        return self.skills[0].gap


class Skill:
    """How far an output got: 0 is the best constant prediction, 1 is no error.

    Args:
        case: `Case` of the run.
        output: Dict of facts of the output, with its task.
    """

    def __init__(self, case, output):
        self.case, self.output, self.name = case, output, output["name"]
        self.classifies = output["task"] != "regression"

    @functools.cached_property
    def curve(self):
        """The skill at each reading of the run; None where there is no number."""
        return [self._at(reading) for reading in self.case.readings]

    @functools.cached_property
    def final(self):
        """The skill at the end, NaN if unknown.

        With batch normalization, the better of inference and training mode.
        """
        found = [value for value in self.curve if value is not None]
        if not found:
            return 0.0 if self.case.nonfinite else math.nan
        # In inference, a layer uses moving averages, which lag behind.
        lags = bool(self.case.layers_of("BatchNormalization"))
        return max(found[-1], self._in_training()) if lags else found[-1]

    @property
    def reachable(self):
        """The skill of simple models on the same data; 0 if unknown."""
        known = self.output.get("reachable")
        if known:
            return min(max(known["best"], 0.0), 1.0)
        return 1.0 if self._memorizable and self.classifies else 0.0

    @property
    def linearly_reachable(self):
        """The skill of a linear model on the same data; 0 if unknown."""
        known = self.output.get("reachable")
        return max(known["linear"], 0.0) if known else 0.0

    @property
    def at_chance(self):
        """Whether the output does no better than a constant prediction."""
        # A skill of NaN is unknown, and compares as False.
        return self.final < CHANCE

    @property
    def underfits(self):
        """Whether the skill is far below that of simple models."""
        margin = max(0.12, 0.2 * self.reachable) + 2 * self._standard_error
        return self.final < self.reachable - margin

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

    @functools.cached_property
    def gap(self):
        """The skill on training data minus that on validation data, None if unknown.

        Both come from the logs of the last epoch, as accuracy or as loss.
        """
        logs = self.case.last_logs
        base, baseline = (
            self.output.get(f"baseline_{name}") for name in ("accuracy", "loss")
        )
        metrics = [key for key in ACCURACIES if f"val_{key}" in logs]
        if self.classifies and metrics and base and base < 1:
            [metric, *_] = metrics
            training = [logs.get(metric), self._last("accuracy")]
            best = max(value for value in [0.0, *training] if value is not None)
            skills = [
                (value - base) / (1 - base) for value in (best, logs[f"val_{metric}"])
            ]
        elif baseline and "val_loss" in logs:
            training = [logs.get("loss"), self._last("loss")]
            least = min(value for value in [math.inf, *training] if value is not None)
            skills = [1 - value / baseline for value in (least, logs["val_loss"])]
        else:
            return None
        return min(skills[0], 1.0) - max(skills[1], 0.0)

    @property
    def _memorizable(self):
        """Whether there are so few distinct samples that a model can memorize them."""
        data = self.case.data
        rows = data.get("rows") or data.get("sampled") or 0
        distinct = [i.get("distinct", 0) for i in self.case.inputs]
        return 0 < rows < 40 and max(distinct, default=0) >= rows

    @property
    def _standard_error(self):
        """The standard error of the skill, given the number of samples."""
        rows = min(self.case.data.get("sampled") or 512, 512)
        base = self.output.get("baseline_accuracy")
        if not self.classifies or not base or base >= 1 or self._memorizable:
            return 0.0
        return math.sqrt(base * (1 - base) / max(rows, 1)) / (1 - base)

    def _last(self, statistic):
        return self.case.last(f"sample_{statistic}").get(self.name)

    def _in_training(self):
        """Return the skill by the logs of the last epoch."""
        logs = self.case.last_logs
        found = [0.0]
        base = self.output.get("baseline_accuracy")
        if self.classifies and base and base < 1 and len(self.case.outputs) == 1:
            metrics = [logs[key] for key in ACCURACIES if key in logs]
            found += [(value - base) / (1 - base) for value in metrics]
        elif self.output.get("baseline_loss") and len(self.case.outputs) == 1:
            found.append(1 - logs.get("loss", math.inf) / self.output["baseline_loss"])
        return max(value for value in found if not math.isnan(value))

    def _at(self, reading):
        """Return the skill at a reading, or None."""

        def score(name):
            return reading.values.get(f"sample_{name}", {}).get(self.name)

        found = []
        base, accuracy = self.output.get("baseline_accuracy"), score("accuracy")
        if accuracy is not None and base is not None and base < 1:
            found.append((accuracy - base) / (1 - base))
        baseline, loss = self.output.get("baseline_loss"), score("loss")
        if loss is not None and baseline:
            found.append(1 - loss / baseline)
        if not self.classifies and score("error") is not None:
            found.append(1 - score("error"))
        finite = [value for value in found if math.isfinite(value)]
        if len(finite) == 2 and abs(finite[1]) < 0.03 and finite[0] < 0.3:
            # Nearly constant predictions: their accuracy is chance.
            return finite[1]
        return max(finite) if finite else None
