"""Strategies: added, run by the engine, and told what to do."""
