"""Models to text, HTML, JSON and the like. Pure."""
