"""Texts on a search: its outcome, configurations, gains, values, times and sizes."""

from kcomponents import _text
from kcomponents._text import number, one_line, quantity, shorten
from kcomponents.tuning._results.statistics import value_name

TITLES = {
    "nan": "Loss is NaN",
    "out_of_memory": "Out of memory",
    "timeout": "Took too long",
    "worker_lost": "Worker was lost",
}


# The outcome.


def verdict(results):
    """Return the grade, the label and the sentence of a search's outcome.

    Grades are `"good"`, `"warn"`, `"bad"`, and `"open"` while the search runs, or
    until repeats can confirm a gain.

    Args:
        results: SearchResults.
    """
    best = results.winner
    if results.is_running:
        return "open", "Still running", _progress(results)
    if best is None:
        return "bad", "No result", "No trial has finished, so there is no winner."
    name = described(results, best)
    text = f"{metric(results)} {mean_score(best)} over {quantity(best.seeds, 'seed')}"
    if results.gain is None:
        sentence = f"The best is {name}, with {text}. There is no baseline."
        return "warn", "No baseline to compare with", sentence
    return _comparison(results, name, text)


def _progress(results):
    done, planned = results.trials_done
    parts = [f"{done:,} of {quantity(planned, 'trial')} are done."]
    best = results.winner
    if best is not None:
        text = f"{metric(results)} {mean_score(best)}"
        parts.append(f"Best so far is {described(results, best)}, with {text}.")
    if results.seconds_left is not None:
        parts.append(f"About {duration(results.seconds_left)} left.")
    return " ".join(parts)


def _comparison(results, name, text):
    over = results.gain
    base = f"the baseline ({mean_score(results.baseline)})"
    if over.mean <= 0:
        detail = gain(over)
        if over.interval is not None:
            detail += f", 95% interval {interval(over)}"
        grade = "bad" if over.is_significant else "warn"
        sentence = f"Nothing beat {base}. The best trial is {name}, with {text}"
        return grade, "Nothing beat the baseline", f"{sentence} ({detail})."
    if over.is_significant:
        sentence = f"The winner is {name}, with {text}. It beats {base}: "
        sentence += f"{gain(over)}, 95% interval {interval(over)}."
        return "good", "Better than the baseline", sentence
    sentence = f"The best is {name}, with {text}. Its gain is {gain(over)} over {base}"
    sentence += f", {_why_unsure(over)}."
    if over.interval is not None:
        return "warn", "Not significantly better", sentence
    return "open", "Not confirmed yet", sentence


def _why_unsure(over):
    if over.interval is not None:
        return f"but the 95% interval {interval(over)} includes 0: it may be chance"
    if min(over.seeds) < 2:
        side = "" if over.seeds[0] < 2 else " of the baseline"
        return f"from one seed{side}: not yet confirmed by repeats"
    return "but all seeds gave the same score, so there is no spread to test it against"


# Configurations and gains.


def metric(results):
    """Return the name of the objective, in one line."""
    return one_line(results.metric)


def described(results, configuration, width=24):
    """Return a short description of a configuration, such as `trial 7: prelu, l2`."""
    values = configuration.values
    text = [value(values[r], width) for r in results.roles.values() if r in values]
    if not text:
        few = list(values.items())[:3]
        text = [f"{one_line(name)}={value(part, width)}" for name, part in few]
    joined = ", ".join(shorten(part, 2 * width) for part in text)
    name = one_line(configuration.name)
    return f"{name}: {joined}" if joined else name


def score(result):
    """Return a score with four digits."""
    return number(float(result), 4)


def mean_score(configuration):
    """Return the mean score, with the standard deviation over seeds."""
    spread = configuration.deviation
    text = score(configuration.mean)
    return text if spread is None else f"{text} ± {number(spread, 2)}"


def gain(over):
    """Return a gain with its sign."""
    return _signed(over.mean)


def interval(over):
    """Return the interval of a gain as text."""
    low, high = map(_signed, over.interval)
    return f"{low} to {high}"


def unsure(over):
    """Return in a few words why a gain may be chance."""
    if over.interval is not None:
        return "not significant"
    return "one seed only" if min(over.seeds) < 2 else "all seeds equal"


def _signed(difference):
    return ("+" if difference > 0 else "") + number(float(difference))


# Values, reasons, times and sizes.


def value(content, width=40):
    """Return a value of a hyperparameter as one short line."""
    if isinstance(content, bool):
        return "yes" if content else "no"
    if isinstance(content, int | float):
        return str(content) if isinstance(content, int) else number(content)
    return shorten(one_line(value_name(content)), width)


def reason(name):
    """Return the reason why a trial ended as text."""
    return TITLES.get(name) or one_line(_text.title(name))


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
