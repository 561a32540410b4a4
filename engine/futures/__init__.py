"""Accounts that trade linear perpetuals with isolated margin."""
