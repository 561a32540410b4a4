"""Accounts: whose they are, what they hold, and how they did."""
