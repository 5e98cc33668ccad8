"""Training: epochs over chunks of the token stream, in threads, with checkpoints."""
