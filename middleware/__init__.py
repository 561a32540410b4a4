"""What every request passes: request id, authentication, permissions, CORS, rate limits, errors, audit."""
