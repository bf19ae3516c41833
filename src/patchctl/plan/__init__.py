"""Select, freeze, cohorts, waves, digest. Pure."""
