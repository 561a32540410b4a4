"""Uploaded candles: untrusted when they are read, and stored in files that this program writes."""
