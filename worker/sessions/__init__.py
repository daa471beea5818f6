"""Session events, their routing rules, the outbox and its destinations."""
