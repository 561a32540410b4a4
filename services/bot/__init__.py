"""The operator's bot."""
