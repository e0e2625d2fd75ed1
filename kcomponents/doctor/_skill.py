"""Skill: how far an output of a model got, between chance and no error."""

import functools
import math

# A skill below this is that of a constant prediction.
CHANCE = 0.1
# How far an output may stay behind simple models: in skill, and as a share of theirs.
BEHIND, BEHIND_OF_REACHABLE = 0.12, 0.2
# An error that is so many times that of an unchanged input is behind it.
BEHIND_REPEATING = 1.5
# The share of the skill in training mode that inference may lack.
LOST_OF_TRAINING = 0.4
ACCURACIES = (
    "accuracy",
    "acc",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
)


class Skill:
    """How far an output got: 0 is the best constant prediction, 1 is no error.

    Args:
        case: `Case` of the run.
        output: Dict of facts of the output, with its task.
    """

    def __init__(self, case, output):
        self.case, self.output, self.name = case, output, output["name"]
        self.classifies = output["task"] != "regression"

    @property
    def is_sure(self):
        """Whether the task is certain enough to judge the output.

        A task that only targets and outputs suggest may be another: the skill then is
        at chance although the loss falls, or although nothing predicts the targets.
        """
        if not self.output.get("guessed") or not self.at_chance:
            return True
        signal = (self.output.get("reachable") or {}).get("signal", 0.0)
        if not self.classifies and not signal > CHANCE:
            return False
        return not self.case.loss_fell(0.3) or self.is_constant

    @property
    def is_constant(self):
        """Whether predictions hardly differ between samples."""
        spread, size = self._last("spread"), self._last("size")
        if spread is None:
            return False
        deviation = self.output["target"].get("std") or 0.0
        of_targets = 0.0 if self.classifies else 0.1 * deviation
        return spread < max(0.01 * (size or 1.0), of_targets)

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
        return max(found[-1], self.in_training) if lags else found[-1]

    @property
    def in_inference(self):
        """The skill at the end in inference mode, None if unknown."""
        found = [value for value in self.curve if value is not None]
        return found[-1] if found else None

    @property
    def lost_in_inference(self):
        """How much of the skill in training mode inference lacks; 0 if unknown."""
        if self.in_inference is None or len(self.case.outputs) != 1:
            return 0.0
        lost = self.in_training - max(self.in_inference, 0.0)
        return lost if lost > LOST_OF_TRAINING * self.in_training else 0.0

    @property
    def repeat(self):
        """The skill of giving out one of the inputs unchanged; 0 if unknown."""
        return (self.output.get("reachable") or {}).get("repeat") or 0.0

    @property
    def falls_behind_repeating(self):
        """Whether an unchanged input, as the last value of a series, is much better."""
        if self.repeat < 0.5 or not math.isfinite(self.final):
            return False
        return 1 - self.final > BEHIND_REPEATING * (1 - self.repeat)

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
        if self.case.data.get("added_losses"):
            # The model has another aim besides.
            return False
        if self.falls_behind_repeating:
            return True
        scored = min(self.case.data.get("sampled") or 512, 512)
        margin = max(BEHIND, BEHIND_OF_REACHABLE * self.reachable)
        margin += 2 * self.standard_error(scored)
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

        That on training data is of the sample, in inference mode, or else of the logs.
        """
        validation = self.in_validation
        if not validation:
            return None
        base, baseline = self._baselines
        name = "accuracy" if self._validation_metric else "loss"
        value = self._last(name)
        if value is None:
            metric = self._validation_metric
            known = self._of_logs(metric) if metric else self._training_losses
            value = known[-1] if known else math.nan
        training = (
            (value - base) / (1 - base) if name == "accuracy" else 1 - value / baseline
        )
        if math.isnan(training):
            return None
        return min(training, 1.0) - max(validation[-1], 0.0)

    @property
    def _baselines(self):
        """The accuracy and the loss of a constant prediction."""
        names = "accuracy", "loss"
        return tuple(self.output.get(f"baseline_{name}") for name in names)

    @property
    def _validation_metric(self):
        """The name of the accuracy in the logs, None without one."""
        base, _ = self._baselines
        if not self.classifies or not base or base >= 1:
            return None
        return next((name for name in ACCURACIES if self._of_logs(name, "val_")), None)

    @functools.cached_property
    def in_validation(self):
        """The skill on the validation data in each epoch, by the logs; [] if unknown.

        With class weights it is unknown, as validation data have none.
        """
        base, baseline = self._baselines
        if self.output.get("class_weights"):
            return []
        if metric := self._validation_metric:
            accuracies = self._of_logs(metric, "val_")
            return [(value - base) / (1 - base) for value in accuracies]
        if not baseline:
            return []
        return [1 - value / baseline for value in self._of_logs("loss", "val_")]

    @property
    def in_first_epoch(self):
        """The skill in the first epoch by its logs, None if unknown.

        Keras scores a batch before the step on it, so all these samples were new.
        """
        base, baseline = self._baselines
        found = []
        if (
            self.classifies
            and base
            and base < 1
            and not self.output.get("class_weights")
        ):
            values = [v for name in ACCURACIES for v in self._of_logs(name)[:1]]
            found = [(value - base) / (1 - base) for value in values]
        if baseline:
            found += [1 - value / baseline for value in self._training_losses[:1]]
        return max(found, default=None)

    @property
    def _training_losses(self):
        """The loss of each epoch by its logs, per weight of the samples."""
        weight = self.output.get("mean_weight") or 1.0
        return [loss / weight for loss in self._of_logs("loss")]

    def _of_logs(self, name, prefix=""):
        """Return a number of the logs for each epoch that has it.

        Of several outputs, each has its own: their name stands before it.
        """
        if len(self.case.outputs) > 1:
            name = f"{self.name}_{name}"
        logs, name = self.case.record.logs, prefix + name
        return [entry[name] for entry in logs if name in entry]

    @property
    def _memorizable(self):
        """Whether there are so few distinct samples that a model can memorize them."""
        data = self.case.data
        rows = data.get("rows") or data.get("sampled") or 0
        distinct = [i.get("distinct", 0) for i in self.case.inputs]
        return 0 < rows < 40 and max(distinct, default=0) >= rows

    def standard_error(self, rows):
        """Return the standard error of a skill on so many samples."""
        base = self.output.get("baseline_accuracy")
        if not self.classifies or not base or base >= 1 or self._memorizable:
            return 0.0
        return math.sqrt(base * (1 - base) / max(rows, 1)) / (1 - base)

    def _last(self, statistic):
        return self.case.last(f"sample_{statistic}").get(self.name)

    @functools.cached_property
    def in_training(self):
        """The skill by the logs of the last epoch, 0 if unknown."""
        found, (base, baseline) = [0.0], self._baselines
        # Metrics of `compile` are not weighted by class.
        metrics = [] if self.output.get("class_weights") else ACCURACIES
        known = [value for name in metrics for value in self._of_logs(name)[-1:]]
        if self.classifies and known and base and base < 1:
            found += [(value - base) / (1 - base) for value in known]
        elif baseline:
            found += [1 - value / baseline for value in self._training_losses[-1:]]
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
        guessed = self.output.get("guessed")
        if (guessed or not self.classifies) and score("error") is not None:
            found.append(1 - score("error"))
        finite = [value for value in found if math.isfinite(value)]
        if len(finite) == 2 and abs(finite[1]) < 0.03 and finite[0] < 0.3:
            # Nearly constant predictions: their accuracy is chance.
            return finite[1]
        return max(finite) if finite else None
