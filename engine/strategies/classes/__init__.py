"""One strategy a module; `engine/strategies/registry.py` finds them."""
