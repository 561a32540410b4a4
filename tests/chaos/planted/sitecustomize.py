"""Found by every Python process of a server whose PYTHONPATH leads here: plant the mutant that CHAOS_MUTANT names."""

import os
import sys

if os.environ.get("CHAOS_MUTANT") and sys.orig_argv[1:3] == ["-m", "engine"]:
    from tests.chaos import mutants

    mutants.plant(os.environ["CHAOS_MUTANT"])
