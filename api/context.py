"""What a view needs of its request: the caller, where they came from, and the services."""

from middleware.context import actor, origin, principal, services

__all__ = ["actor", "origin", "principal", "services"]
