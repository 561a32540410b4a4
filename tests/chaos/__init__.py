"""Kill the product at random while it trades, and hold what clients were told against what there is."""
