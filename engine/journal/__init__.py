"""The journal: what the engine writes to SQL and reads from it."""
