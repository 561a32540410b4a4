"""Backtests: a strategy on an engine of its own, whose market is recorded candles and whose clock is theirs."""
