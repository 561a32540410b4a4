"""What every room may use: the bridge and its messages, errors, money, time, identifiers."""
