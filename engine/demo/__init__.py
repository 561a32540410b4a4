"""The demo exchange: made-up or recorded markets that trade without keys or network."""
