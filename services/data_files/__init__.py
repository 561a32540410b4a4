"""Candles that users upload: read with suspicion, and kept in files of our own."""
