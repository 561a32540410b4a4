"""Which jobs there are: the one table of kinds and what does them."""

from __future__ import annotations

from collections.abc import Mapping

from services import WorkerServices, sweeps, webhooks
from services.backtests import KIND
from services.jobs import Handler
from worker import backtests


def handlers(services: WorkerServices) -> Mapping[str, Handler]:
    """Return what does the jobs of each kind."""
    return {
        KIND: backtests.handler(services.backtests),
        sweeps.KIND: backtests.sweep_handler(services.sweeps),
        webhooks.JOB: Handler(call=services.webhooks.deliver, attempts=webhooks.ATTEMPTS, at_once=8, first_delay=5.0),
    }
