"""Makes the tallies of a probe: one per source, and one per layer."""

import warnings

from keras import ops

from kcomponents.probes._sampled import SampledTally
from kcomponents.probes._tally import Tally
from kcomponents.probes._views import ClippedView, GradientView, LossView, UpdateView


def tallies_by_source(statistics, variables, defers, **sampling):
    """Return source → list with its tally, for all sources but layer outputs.

    `sampling` contains the arguments of `SampledTally`, which measures updates.
    """
    zeros = ops.zeros((max(len(variables), 1),))
    # Views with the right shapes, to find the shapes of the statistics.
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
    """Return site → tally and site → watched layer, for layer outputs."""
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
        warnings.warn(f"Layer outputs cannot be measured: {error}", stacklevel=4)
    if refused := sorted(hub.layers.refused):
        warn_of(refused)
    options = {"replicas": True, "defers": defers}
    return {site: Tally(found, **options) for site, found in shapes.items()}, sites


def warn_of(sites):
    """Warn of layers whose outputs cannot be measured."""
    warnings.warn(
        "The outputs of layers inside a loop or map cannot be measured: "
        f"{', '.join(sites)}.",
        stacklevel=5,
    )
