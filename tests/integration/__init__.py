"""Tests of the API and the engine together."""
