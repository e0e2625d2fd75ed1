"""The loop of a worker: take a trial, run it, store its outcome."""

from kcomponents.tuning._keeping import best
from kcomponents.tuning._trial.run import GivenBack, TrialRun


def work(search, args, kwargs, stop, limit=None, shown=None):
    """Run trials until none is left or `limit` is reached; return how many ran."""
    count = 0
    while limit is None or count < limit:
        trial = search.engine.next_trial(stop)
        if trial is None:
            break
        run_trial(search, trial, args, kwargs, stop)
        search.engine.check()
        count += 1
        if shown is not None:
            shown()
    return count


def run_trial(search, trial, args, kwargs, stop):
    """Run one trial, and give it back if it is interrupted."""
    engine = search.engine
    with engine.lease(trial) as lease:
        run = search.run = TrialRun(search, trial, lease, stop)
        try:
            outcome = run.run(args, kwargs)
            _keep(search, run, outcome)
        except GivenBack:
            engine.give_back(trial)
            return
        except BaseException:
            engine.give_back(trial)
            raise
        finally:
            search.run = None
        engine.end(trial, outcome)
        best.forget_others(search)


def _keep(search, run, outcome):
    """Save the weights of a trial if it is among the best."""
    weights = run.watched[0].best_weights if run.watched else None
    full = outcome.reason is None and run.known["kind"] != "repeat"
    if weights is None or not full:
        return
    store, count = search.store, search.settings.keep_models
    if best.is_worth_keeping(store, outcome.score, search.engine.maximize, count):
        best.save(run.model, weights, search.get_trial_dir(run.known["slot"]))
