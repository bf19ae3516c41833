"""From what applies to findings, actions and removals."""
