"""Texts on a search: times, values, gains, and the verdict."""

from kcomponents._text import number, one_line, shorten, title
from kcomponents.tuning._results import statistics as of

TITLES = {
    "nan": "Loss is NaN",
    "out_of_memory": "Out of memory",
    "timeout": "Took too long",
    "worker_lost": "Worker was lost",
}


def with_defaults(results):
    """Return results with defaults for what is unknown before the first trial."""
    unknown = {"name": "score", "direction": "min"}
    objective, epochs = results["objective"] or unknown, results["epochs"] or 0
    return {**results, "objective": objective, "epochs": epochs}


def reason(name):
    """Return the reason why a trial ended as text."""
    return TITLES.get(name) or one_line(title(name))


def duration(seconds):
    """Return a duration as a short text."""
    if seconds < 10:
        return f"{number(float(seconds), 2)} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes >= 24 * 60:
        return f"{round(minutes / 60):,} h"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def size(count):
    """Return a number of bytes as a short text."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{number(float(count))} {unit}"
        count /= 1000
    return f"{number(count)} TB"


def counted(count, noun):
    """Return a number with its noun, such as `1 trial` or `2 trials`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def value(given, width=40):
    """Return a value of a hyperparameter as one short line."""
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, int | float):
        return str(given) if isinstance(given, int) else number(given)
    return shorten(one_line(of.in_words(given)), width)


def score(given):
    """Return a score with four digits."""
    return number(float(given), 4)


def mean_score(configuration):
    """Return the mean score, with the standard deviation over seeds."""
    spread = configuration.deviation
    text = score(configuration.mean)
    return text if spread is None else f"{text} ± {number(spread, 2)}"


def gain(found):
    """Return a gain with its sign."""
    return _signed(found.mean)


def interval(found):
    """Return the interval of a gain as text."""
    low, high = map(_signed, found.interval)
    return f"{low} to {high}"


def unsure(found):
    """Return in a few words why a gain may be chance."""
    if found.interval is not None:
        return "not significant"
    return "one seed only" if min(found.seeds) < 2 else "all seeds equal"


def _signed(given):
    return ("+" if given > 0 else "") + number(float(given))


def described(results, configuration, width=24):
    """Return a short description of a configuration, such as `trial 7: prelu, l2`."""
    values = configuration.values
    roles = [results["activation"], results["regularizer"]]
    text = [value(values[name], width) for name in roles if name in values]
    if not text:
        few = list(values.items())[:3]
        text = [f"{one_line(name)}={value(given, width)}" for name, given in few]
    joined = ", ".join(shorten(part, 2 * width) for part in text)
    which = "baseline" if configuration.is_baseline else f"trial {configuration.trial}"
    return f"{one_line(which)}: {joined}" if joined else one_line(which)


def trials_done(results):
    """Return the numbers of finished and of planned trials.

    The baseline is one of them; full runs and repeats are not.
    """
    own = [t for t in results["trials"] if t["kind"] in ("search", "baseline")]
    done = sum(trial["state"] in of.ENDED for trial in own)
    # A grid may have fewer trials than `max_trials`.
    is_grid = results["sampler"] == "grid"
    return done, len(own) if is_grid else results["max_trials"] or len(own)


def objective(results):
    """Return the name of the objective."""
    return one_line(results["objective"]["name"])


def verdict(results):
    """Return the grade, the label and the sentence of a search's outcome.

    Grades are `"good"`, `"warn"`, `"bad"`, and `"open"` while the search runs.
    """
    best = of.winner(results)
    if results["state"] == "running":
        return "open", "Still running", _running(results, best)
    if best is None:
        return "bad", "No result", "No trial has finished, so there is no winner."
    named = described(results, best)
    seeds = counted(best.seeds, "seed")
    text = f"{objective(results)} {mean_score(best)} over {seeds}"
    over = of.gain(results, best)
    if over is None:
        sentence = f"The best is {named}, with {text}. There is no baseline."
        return "warn", "No baseline to compare with", sentence
    return _compared(results, named, text, over)


def _running(results, best):
    done, planned = trials_done(results)
    parts = [f"{done:,} of {counted(planned, 'trial')} are done."]
    if best is not None:
        text = f"{objective(results)} {mean_score(best)}"
        parts.append(f"Best so far is {described(results, best)}, with {text}.")
    if results["seconds_left"] is not None:
        parts.append(f"About {duration(results['seconds_left'])} left.")
    return " ".join(parts)


def _compared(results, named, text, over):
    base = f"the baseline ({mean_score(of.baseline(results))})"
    if over.mean <= 0:
        detail = gain(over)
        if over.interval is not None:
            detail += f", 95% interval {interval(over)}"
        grade = "bad" if over.is_significant else "warn"
        sentence = f"Nothing beat {base}. The best trial is {named}, with {text}"
        return grade, "Nothing beat the baseline", f"{sentence} ({detail})."
    if over.is_significant:
        sentence = f"The winner is {named}, with {text}. It beats {base}: "
        sentence += f"{gain(over)}, 95% interval {interval(over)}."
        return "good", "Better than the baseline", sentence
    label = "Not significantly better" if over.interval else "Not confirmed yet"
    sentence = f"The best is {named}, with {text}. Its gain is {gain(over)} over {base}"
    return "warn", label, f"{sentence}, {_why_unsure(over)}."


def _why_unsure(over):
    if over.interval is not None:
        return f"but the 95% interval {interval(over)} includes 0: it may be chance"
    if min(over.seeds) < 2:
        side = "" if over.seeds[0] < 2 else " of the baseline"
        return f"from one seed{side}: repeat with other seeds to confirm"
    return "but all seeds gave the same score, so there is no spread to test it against"
