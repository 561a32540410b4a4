"""Accounts in memory: what all of them do, and spot accounts as one kind of them."""
