"""How long state machines run: `LEDGER_STEPS` steps of all examples together, by chance when it is set."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

STEPS = int(os.environ.get("LEDGER_STEPS", "400"))
STEPS_PER_EXAMPLE = 40


def run(machine: type[RuleBasedStateMachine]) -> None:
    """Run `machine`; what it finds is not shrunk, since every example starts an engine."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=max(STEPS // STEPS_PER_EXAMPLE, 1),
            stateful_step_count=STEPS_PER_EXAMPLE,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
            derandomize="LEDGER_STEPS" not in os.environ,
            database=None,
        ),
    )
