"""Where candidates are denied or ordered: gates, integer ranking, certificates."""
