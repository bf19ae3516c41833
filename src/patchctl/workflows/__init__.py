"""One use case a module: stages joined, adapters given."""
