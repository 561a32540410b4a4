"""Tournaments in the engine: what their accounts may trade and when, and how all are closed at the same prices."""
