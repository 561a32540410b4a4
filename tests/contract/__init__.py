"""Tests that the fake and the real engine both pass."""
