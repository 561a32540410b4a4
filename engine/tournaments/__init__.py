"""Tournaments in the engine: when their accounts may trade what, and how all of them are closed at the same prices."""
