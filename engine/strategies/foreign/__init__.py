"""Strategies of installed tentacles: each in a process of its own, to which the engine is the exchange."""
