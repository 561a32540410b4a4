"""What the API reads and writes, as marshmallow schemas: the source of `openapi.yaml`."""
