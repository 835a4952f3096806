"""The sections of a report: from evidence to tables and figures, None where nothing fits."""
