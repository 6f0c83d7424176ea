"""Text operators: spans of the raw string are edited, the rest stays byte-identical."""
