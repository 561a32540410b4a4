"""Accounts: owners, holdings and performance."""
