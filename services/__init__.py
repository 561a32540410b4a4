"""The use cases, one module per noun. No HTTP here."""
