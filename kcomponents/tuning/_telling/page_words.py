"""A search in words: times, values, gains, and the sentence that matters most."""

from kcomponents.report._words import number, one_line, shorten, title
from kcomponents.tuning._telling import statistics as of

TITLES = {
    "nan": "Loss is not a number",
    "out_of_memory": "Out of memory",
    "timeout": "Took too long",
    "worker_lost": "Worker was lost",
}
NOT_TOLD_APART = "cannot be told apart"


def begun(results):
    """Return results with something for what is not known before the first trial."""
    unknown = {"name": "score", "direction": "min"}
    objective, epochs = results["objective"] or unknown, results["epochs"] or 0
    return {**results, "objective": objective, "epochs": epochs}


def reason(name):
    """Return why a trial ended as words."""
    return TITLES.get(name) or one_line(title(name))


def duration(seconds):
    """Return a time in a few words."""
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
    """Return a number of bytes in a few words."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{number(float(count))} {unit}"
        count /= 1000
    return f"{number(count)} TB"


def counted(count, noun):
    """Return a number with its noun, such as `1 trial` or `2 trials`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def value(given, width=40):
    """Return a value of a hyper-parameter in one short line."""
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, int | float):
        return str(given) if isinstance(given, int) else number(given)
    return shorten(one_line(of.in_words(given)), width)


def score(given):
    """Return a score in a few digits."""
    return number(float(given), 4)


def mean_score(configuration):
    """Return the mean score, and how far its seeds are spread."""
    spread = configuration.deviation
    told = score(configuration.mean)
    return told if spread is None else f"{told} ± {number(spread, 2)}"


def gain(found):
    """Return a gain with its sign."""
    return _signed(found.mean)


def interval(found):
    """Return the interval of a gain, or why there is none."""
    if found.interval is not None:
        low, high = map(_signed, found.interval)
        return f"{low} to {high}"
    few = min(found.seeds) < 2
    return "one seed only" if few else "seeds do not differ"


def _signed(given):
    return ("+" if given > 0 else "") + number(float(given))


def described(results, configuration, width=24):
    """Return what tells a configuration from others, such as `trial 7: prelu, l2`."""
    values = configuration.values
    roles = [results["activation"], results["regularizer"]]
    told = [value(values[name], width) for name in roles if name in values]
    if not told:
        few = list(values.items())[:3]
        told = [f"{one_line(name)}={value(given, width)}" for name, given in few]
    joined = ", ".join(shorten(part, 2 * width) for part in told)
    which = "baseline" if configuration.is_baseline else f"trial {configuration.trial}"
    return f"{one_line(which)}: {joined}" if joined else one_line(which)


def trials_done(results):
    """Return how many trials of the search itself have ended, and of how many.

    The baseline is one of them; full runs and repeats come on top.
    """
    own = [t for t in results["trials"] if t["kind"] in ("search", "baseline")]
    done = sum(trial["state"] in of.ENDED for trial in own)
    # A grid ends where the space does, whatever was allowed.
    is_grid = results["sampler"] == "grid"
    return done, len(own) if is_grid else results["max_trials"] or len(own)


def objective(results):
    """Return the name of the objective."""
    return one_line(results["objective"]["name"])


def verdict(results):
    """Return the grade, the label and the sentence that a search comes to.

    Grades are `"good"`, `"warn"`, `"bad"`, and `"open"` while nothing is decided.
    """
    best = of.winner(results)
    if results["state"] == "running":
        return "open", "Still running", _running(results, best)
    if best is None:
        return "bad", "No result", "No trial has finished, so there is no winner."
    named = described(results, best)
    seeds = counted(best.seeds, "seed")
    told = f"{objective(results)} {mean_score(best)} over {seeds}"
    over = of.gain(results, best)
    if over is None:
        sentence = f"The best is {named}, with {told}. There is no baseline."
        return "warn", "No baseline to compare it with", sentence
    return _compared(results, named, told, over)


def _running(results, best):
    done, planned = trials_done(results)
    parts = [f"{done:,} of {counted(planned, 'trial')} are done."]
    if best is not None:
        told = f"{objective(results)} {mean_score(best)}"
        parts.append(f"Best so far is {described(results, best)}, with {told}.")
    if results["seconds_left"] is not None:
        parts.append(f"About {duration(results['seconds_left'])} left.")
    return " ".join(parts)


def _compared(results, named, told, over):
    base = f"the baseline ({mean_score(of.baseline(results))})"
    span = f"{gain(over)}, 95 % interval {interval(over)}"
    if not over.is_told_apart:
        why = f"{gain(over)}, {_why_not(over)}"
        sentence = f"The best is {named}, with {told}, but it {NOT_TOLD_APART} from"
        label = "Cannot be told apart from the baseline"
        return "warn", label, f"{sentence} {base}: {why}."
    if over.mean > 0:
        sentence = f"The winner is {named}, with {told}. It beats {base}: {span}."
        return "good", "Better than the baseline", sentence
    sentence = f"Nothing beats {base}. Next is {named}, with {told}: {span}."
    return "bad", "The baseline is best", sentence


def _why_not(over):
    if over.interval is not None:
        return f"and the 95 % interval {interval(over)} holds 0"
    if min(over.seeds) < 2:
        return "and it takes two seeds or more of both to tell"
    return "and all seeds gave the same score, so there is no spread to judge it by"
