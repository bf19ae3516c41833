"""Make a plan, and judge whether it may run."""
