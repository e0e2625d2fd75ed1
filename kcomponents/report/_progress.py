"""Progress of a run: epochs, last and best losses, and missing facts."""

from kcomponents.report._given import part
from kcomponents.report._series import is_finite, log_series
from kcomponents.report._words import number


def epochs_line(record):
    """Return the number of epochs that were trained, such as `"4 of 10"`."""
    done = len({entry["epoch"] for entry in record.logs})
    planned = part(record.structure, "fit", "epochs")
    if isinstance(planned, int) and planned > done:
        return f"{done:,} of {planned:,}"
    return f"{done:,}"


def last(record, name):
    """Return the last value of a metric, or None."""
    values = log_series(record).get(name, {})
    return list(values.values())[-1] if values else None


def best(record, name):
    """Return the lowest value of a metric and its epoch, or None."""
    values = log_series(record).get(name, {})
    known = {epoch: value for epoch, value in values.items() if is_finite(value)}
    if not known:
        return None
    epoch = min(known, key=lambda epoch: known[epoch])
    return known[epoch], epoch


def figures(record):
    """Return the key figures as pairs of a name and a text."""
    found = [("epochs", epochs_line(record))]
    if last(record, "loss") is not None:
        found.append(("loss", number(last(record, "loss"), 4)))
    if last(record, "val_loss") is not None:
        found.append(("validation loss", number(last(record, "val_loss"), 4)))
    lowest = best(record, "val_loss")
    if lowest:
        name = f"best validation loss (epoch {lowest[1]:,})"
        found.append((name, number(lowest[0], 4)))
    return found


def missing(record):
    """Yield sentences about facts that the record lacks."""
    facts, series = record.structure, log_series(record)
    if not record.logs:
        yield "No epoch has finished, so there are no losses."
    elif not facts.get("fit") and "val_loss" not in series:
        yield "There is no validation loss, so overfitting cannot be detected."
    planned, done = part(facts, "fit", "epochs"), len(record.logs)
    if isinstance(planned, int) and 0 < done < planned:
        yield (
            f"{epochs_line(record)} epochs are in the record: the run was stopped, or "
            "is still in progress."
        )
    if not any(reading.step for reading in record.readings):
        yield "There are no measurements of gradients, updates and units."
    if facts and not facts.get("layers"):
        yield "The layers of the model are unknown."
    if not facts.get("fit"):
        yield "The settings of `fit` are unknown."
    if not facts.get("versions"):
        yield "The versions of the libraries are unknown."
