"""Tournaments over HTTP, with the real engine and the worker's jobs."""
