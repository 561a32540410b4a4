"""The gateway: the lines to the exchanges that are followed."""
