"""Where the statistics of a probe are kept: a tally for each place that measures."""

import warnings

from keras import ops

from kcomponents.probes._sampled import SampledTally
from kcomponents.probes._tally import Tally
from kcomponents.probes._views import ClippedView, GradientView, LossView, UpdateView


def tallies_by_source(statistics, variables, defers, **sampling):
    """Return source → list of its tally, for all sources but the outputs of layers.

    Of updates some are looked at: `sampling` are arguments of `SampledTally`.
    """
    zeros = ops.zeros((max(len(variables), 1),))
    # Views of the right shapes, to learn what is measured.
    views = {
        "gradients": GradientView(squares=zeros, step=1.0),
        "batch_gradients": GradientView(squares=zeros, step=1.0),
        "clipped_gradients": ClippedView(squares=zeros, unclipped=zeros),
        "updates": UpdateView(squares=zeros, weights=zeros, applied=0.0),
        "losses": LossView(loss=ops.zeros(()), step=1.0),
    }
    found = {}
    for source, view in views.items():
        if own := [s for s in statistics if s.source == source]:
            shapes = {s: view.measured(s).shape for s in own}
            if source == "updates" and sampling["sample"] > 1:
                found[source] = [SampledTally(shapes, **sampling)]
            else:
                replicas = source == "losses"
                found[source] = [Tally(shapes, replicas=replicas, defers=defers)]
    return found


def tallies_by_site(statistics, hub, watch, defers):
    """Return site → tally and site → watched layer, of the outputs of layers."""
    own = [s for s in statistics if s.source == "outputs"]
    sites, shapes = {}, {}
    if not own:
        return {}, {}

    def note(site, watched, view):
        if watch(watched):
            sites[site] = watched
            shapes[site] = {s: view.measured(s).shape for s in own}

    try:
        hub.rehearse(note)
    except Exception as error:
        warnings.warn(f"No layer can be watched: {error}", stacklevel=4)
    if refused := sorted(hub.layers.refused):
        warn_of(refused)
    options = {"replicas": True, "defers": defers}
    return {site: Tally(found, **options) for site, found in shapes.items()}, sites


def warn_of(sites):
    """Name layers that cannot be watched."""
    warnings.warn(
        "These layers run inside a loop or a map and cannot be watched: "
        f"{', '.join(sites)}.",
        stacklevel=5,
    )
