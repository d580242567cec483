"""Mesh files: which hosts test to which others, with what, and when. Pure: text in, values out."""
