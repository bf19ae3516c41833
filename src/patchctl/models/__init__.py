"""Frozen nouns handed from stage to stage. They import nothing but `errors`."""
