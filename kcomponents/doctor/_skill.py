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
