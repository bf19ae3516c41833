"""Tell what changed of the findings between two assessments. Pure: old history and findings in."""
