"""Tournaments: their states, who takes part, who leads, and who wins what."""
