"""The demo exchange's markets."""
