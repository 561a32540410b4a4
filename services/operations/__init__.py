"""What operators look at and do: health, figures, logs, the gateway."""
