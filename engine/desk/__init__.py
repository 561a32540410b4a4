"""The trading desk: commands, prices and the clock go through accounts into the journal."""
