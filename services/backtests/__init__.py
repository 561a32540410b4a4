"""Backtests: strategies on recorded candles, alone and in sweeps."""
