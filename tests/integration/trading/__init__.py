"""Trading over HTTP, on the fake engine."""
