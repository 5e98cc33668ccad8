"""Work on more than one machine: its overhead, and the quality of what it trains."""
