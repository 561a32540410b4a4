"""Strategies: OctoBot trading modes on accounts of their own, whose orders pass the desk like everybody's."""
