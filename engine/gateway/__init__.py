"""The gateway: the connections to the exchanges that are followed."""
