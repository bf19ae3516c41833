"""Turn models into text for people and data for programs. Pure."""
