"""Define the frozen models that stages hand on to each other. They import nothing but `errors`."""
