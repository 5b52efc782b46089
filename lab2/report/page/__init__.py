"""The page of a report: one HTML file with tables and charts, which opens from disk and loads nothing."""
