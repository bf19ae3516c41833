"""Plan to events: state machine, gates, budget. Depends on interfaces only."""
