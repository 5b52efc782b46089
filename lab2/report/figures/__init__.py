"""The charts of a report alone, for a column of a paper and for a slide: SVG, PDF and PNG, by matplotlib."""
