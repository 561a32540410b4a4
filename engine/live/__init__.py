"""Live accounts: orders that a real exchange executes, sent once and followed until they are final."""
